// Where the folder is: each folder on the way is a link.

import type { Bytes } from '../../../api/bytes.ts';
import type { Space } from '../../../settings.ts';
import { Data, Text } from '../../../ui/text.tsx';
import { crumbs } from './names.ts';
import { spaces } from './spaces.ts';
import { to } from './where.ts';

export function Crumbs({ space, prefix }: { space: Space; prefix: Bytes }) {
	const { root } = spaces[space];
	const here = (at: Bytes) => (at === prefix ? ({ 'aria-current': 'page' } as const) : {});
	return (
		<nav class="keys-crumbs" aria-label="Folder">
			{root === '' && (
				<a href={to({ space, prefix: root })} {...here(root)}>
					all keys
				</a>
			)}
			{crumbs(prefix).map((crumb, i) => (
				<a key={crumb.prefix} href={to({ space, prefix: crumb.prefix })} {...here(crumb.prefix)} {...(crumb.name === '/' && i > 0 && { title: 'A folder whose name is empty' })}>
					{crumb.name === '/' ? <Text text="/" /> : <Data bytes={crumb.name} max={80} />}
				</a>
			))}
		</nav>
	);
}
