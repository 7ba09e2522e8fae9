import { Page } from '../../ui/parts.tsx';

export function Locks() {
	return <Page title="Locks">{null}</Page>;
}
