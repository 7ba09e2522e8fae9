import { Page } from '../../ui/parts.tsx';

export function Elections() {
	return <Page title="Elections">{null}</Page>;
}
