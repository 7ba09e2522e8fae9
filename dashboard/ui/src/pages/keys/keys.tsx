import { Page } from '../../ui/parts.tsx';

export function Keys() {
	return <Page title="Keys">{null}</Page>;
}
