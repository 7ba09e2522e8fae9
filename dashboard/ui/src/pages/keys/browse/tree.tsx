// The folders, as a tree.

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import { explain } from '../../../api/failure.ts';
import { isGateways } from '../../../api/own.ts';
import type { Folder } from '../../../live/folder.ts';
import { go } from '../../../router.ts';
import type { Space } from '../../../settings.ts';
import { Data, label, Text } from '../../../ui/text.tsx';
import type { Branches, Item } from './branches.ts';
import { folderOf } from './names.ts';
import { to } from './where.ts';

export function Tree({ space, prefix, branches, live }: { space: Space; prefix: Bytes; branches: Branches; live: Folder | undefined }) {
	const id = useId();
	const box = useRef<HTMLUListElement>(null);
	branches.changed.value;
	live?.drawn.value;
	const items = branches.items(prefix, live);
	const name = (item: Item): string => (item.more ? 'more ' : '') + item.prefix;
	const [at, setAt] = useState<string>(prefix);
	const active = Math.max(0, items.findIndex((item) => name(item) === at));

	useEffect(() => setAt(prefix), [prefix]);
	useEffect(() => {
		box.current?.querySelector('[data-active]')?.scrollIntoView({ block: 'nearest' });
	}, [at, items.length]);

	const move = (index: number): void => {
		const item = items[Math.max(0, Math.min(items.length - 1, index))];
		if (item) setAt(name(item));
	};
	const open = (item: Item): void => {
		setAt(name(item));
		if (item.more) {
			branches.more(item.prefix, live);
			return;
		}
		if (item.open === false) branches.toggle(item.prefix, true);
		void go(to({ space, prefix: item.prefix }));
	};
	const onKeyDown = (event: KeyboardEvent): void => {
		const item = items[active];
		if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
		const parent = items.findIndex((other) => !other.more && other.level === item.level - 1 && other.prefix === (item.more ? item.prefix : folderOf(item.prefix)));
		const actions: Record<string, () => void> = {
			ArrowDown: () => move(active + 1),
			ArrowUp: () => move(active - 1),
			Home: () => move(0),
			End: () => move(items.length - 1),
			ArrowRight: () => (item.open === false ? branches.toggle(item.prefix, true) : item.open && move(active + 1)),
			ArrowLeft: () => (item.open ? branches.toggle(item.prefix, false) : parent >= 0 && move(parent)),
			Enter: () => open(item),
			' ': () => open(item),
		};
		const action = actions[event.key];
		if (!action) return;
		event.preventDefault();
		action();
	};
	return (
		<ul ref={box} class="keys-tree" role="tree" aria-label="Folders" tabIndex={0} aria-activedescendant={`${id}-${active}`} onKeyDown={onKeyDown}>
			{items.map((item, i) => (
				<li
					key={name(item)}
					id={`${id}-${i}`}
					role="treeitem"
					aria-level={item.level}
					aria-selected={!item.more && item.prefix === prefix}
					{...(item.open !== undefined && { 'aria-expanded': item.open })}
					{...(i === active && { 'data-active': true })}
					class={`${i === active ? 'active' : ''} ${isGateways(space, item.prefix) ? 'gateways' : ''}`}
					style={{ paddingLeft: `${(item.level - 1) * 14 + 4}px` }}
					title={item.failure ? `${explain(item.failure).title} (${item.failure.message})` : label(item.prefix.slice(0, 2000) as Bytes)}
					onClick={() => open(item)}
				>
					<i
						class={`twist ${item.open === undefined ? 'none' : item.open ? 'open' : ''}`}
						aria-hidden="true"
						onClick={(event) => {
							if (item.open === undefined) return;
							event.stopPropagation();
							branches.toggle(item.prefix);
						}}
					/>
					{item.more ? <span class="muted">more…</span> : <Name prefix={item.prefix} />}
					{item.failure && <span class="keys-failed"> !</span>}
				</li>
			))}
		</ul>
	);
}

function Name({ prefix }: { prefix: Bytes }) {
	if (prefix === '') return <span>all keys</span>;
	const name = prefix.slice(folderOf(prefix).length) as Bytes;
	return name === '/' ? <Text text="/" /> : <Data bytes={name} max={120} />;
}
