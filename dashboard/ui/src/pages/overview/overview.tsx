import { Page } from '../../ui/parts.tsx';

export function Overview() {
	return <Page title="Overview">{null}</Page>;
}
