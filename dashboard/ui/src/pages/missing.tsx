import { href } from '../router.ts';
import { Empty, Page } from '../ui/parts.tsx';

export function Missing() {
	return (
		<Page title="Not found">
			<Empty title="There is no such page">
				Go to the <a href={href('overview')}>overview</a>, or to the <a href={href('keys')}>keys</a>.
			</Empty>
		</Page>
	);
}
