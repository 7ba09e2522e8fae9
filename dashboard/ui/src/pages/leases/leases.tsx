import { Page } from '../../ui/parts.tsx';

export function Leases() {
	return <Page title="Leases">{null}</Page>;
}
