// What is in the folder, as a table of which only the rows that are seen are there.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import { isGateways } from '../../../api/own.ts';
import { leaseHex } from '../../../api/v3.ts';
import { type Entry, indexOf, type KeyEntry, position, type Preview } from '../../../live/entries.ts';
import { enough } from '../../../live/ends.ts';
import type { Folder } from '../../../live/folder.ts';
import { preview } from '../../../live/preview.ts';
import { go, href } from '../../../router.ts';
import type { Space } from '../../../settings.ts';
import { count, size, Ttl } from '../../../ui/parts.tsx';
import { Rows } from '../../../ui/rows.tsx';
import { Data, label, Text } from '../../../ui/text.tsx';
import { folderLabel, nameIn } from './names.ts';
import { to } from './where.ts';

export interface TableProps {
	folder: Folder;
	opened: Bytes | undefined;
	onUp(): void;
	onClose(): void;
	onRemove?: ((entry: Entry) => void) | undefined;
}

const height = 30;

/** Where the user was in the folders that they have left. */
const left = new Map<string, Bytes>();

/** Who went from one table to another one by keyboard is in that one then. */
let goesOn = false;

export function Table({ folder, opened, onUp, onClose, onRemove }: TableProps) {
	const { space, prefix, entries } = folder;
	const drawn = folder.drawn.value;
	const box = useRef<HTMLDivElement>(null);
	const place = space + prefix;
	// The row that the keyboard is on keeps being it when others come before it.
	const [at, setAt] = useState<{ place: string; key: Bytes | undefined; row: number }>({ place: '', key: undefined, row: -1 });
	const found = at.place === place ? (at.key === undefined ? at.row : indexOf(entries, at.key)) : -1;
	const active = found >= 0 ? found : at.place === place ? Math.min(at.row, folder.rows - 1) : -1;

	const activate = (row: number): void => {
		const key = entries[row]?.key;
		if (key !== undefined) left.set(place, key);
		setAt({ place, key, row });
	};

	// A folder begins at its top, or where it was left, or at the key that is open.
	const placed = useRef('');
	useLayoutEffect(() => {
		if (!folder.ready || placed.current === place) return;
		placed.current = place;
		const row = [opened, left.get(place)].map((key) => (key === undefined ? -1 : indexOf(entries, key))).find((i) => i >= 0) ?? -1;
		setAt({ place, key: entries[row]?.key, row });
		const rows = box.current?.querySelector<HTMLElement>('.rows');
		if (!rows) return;
		rows.scrollTop = Math.max(0, row * height - rows.clientHeight / 3);
		if (goesOn) rows.focus({ preventScroll: true });
		goesOn = false;
	}, [place, drawn]);

	// What is looked at stays where it is when something comes or goes above it.
	const anchor = useRef<{ place: string; key: Bytes; row: number } | undefined>(undefined);
	useLayoutEffect(() => {
		const rows = box.current?.querySelector('.rows');
		if (!rows) return;
		const old = anchor.current;
		if (old?.place === place && rows.scrollTop > 0) rows.scrollTop += (position(entries, old.key) - old.row) * height;
		const row = Math.floor(rows.scrollTop / height);
		const key = entries[row]?.key;
		anchor.current = key === undefined ? undefined : { place, key, row };
	});
	const leave = (): void => {
		goesOn = box.current?.contains(document.activeElement) ?? false;
	};

	const [[first, last], setSeen] = useState([0, 0]);
	useEffect(() => {
		folder.seen(first, last);
		folder.want(last + 100);
	}, [folder, first, last, drawn === 0]);

	const open = (row: number): void => {
		const entry = entries[row];
		if (!entry) return;
		left.set(place, entry.key);
		if (entry.folder) leave();
		void go(address(space, prefix, entry));
	};
	return (
		<div class="keys-table" ref={box}>
			<div class={`keys-line keys-columns ${space}`} aria-hidden="true">
				<span>name</span>
				<span>value</span>
				<span class="number keys-size">size</span>
				<span class="number keys-version">{space === 'v3' ? 'version' : 'created'}</span>
				<span class="number keys-modified">modified</span>
				<span class="keys-lease">{space === 'v3' ? 'lease' : 'TTL'}</span>
			</div>
			<Rows
				count={folder.rows}
				height={height}
				label={`What is in ${folderLabel(prefix)}`}
				active={active}
				onActive={activate}
				onOpen={open}
				onSeen={(from, before) => setSeen((old) => (old[0] === from && old[1] === before ? old : [from, before]))}
				onKey={(event, row) => {
					const entry = entries[row];
					if (event.key === 'Backspace') {
						leave();
						onUp();
					} else if (event.key === 'Escape' && opened !== undefined) onClose();
					else if (event.key === 'Delete' && entry && onRemove) onRemove(entry);
					else return false;
					return true;
				}}
				rowKey={(row) => entries[row]?.key ?? `#${row}`}
				rowClass={(row) => {
					const entry = entries[row];
					const marks = [entry && isGateways(space, entry.key) && 'gateways', entry && entry.key === opened && 'opened', entry?.folder && 'folder'];
					return ['keys-line', space, ...marks.filter(Boolean)].join(' ');
				}}
				render={(row) => {
					const entry = entries[row];
					return entry ? <Cells space={space} prefix={prefix} entry={entry} /> : <span role="gridcell" class="keys-later" />;
				}}
			/>
		</div>
	);
}

function address(space: Space, prefix: Bytes, entry: Entry): string {
	return entry.folder ? to({ space, prefix: entry.key }) : to({ space, prefix, key: entry.key });
}

function Cells({ space, prefix, entry }: { space: Space; prefix: Bytes; entry: Entry }) {
	const name = nameIn(prefix, entry.key);
	const link = (
		<a
			href={address(space, prefix, entry)}
			tabIndex={-1}
			title={label(entry.key.slice(0, 2000) as Bytes)}
			onClick={(event) => {
				// The row opens it, unless it is to be opened elsewhere.
				if (event.metaKey || event.ctrlKey || event.shiftKey) event.stopPropagation();
				else event.preventDefault();
			}}
		>
			{name === '' ? <span class="muted">(the key named like the folder)</span> : name === '/' ? <Text text="/" /> : <Data bytes={name} max={300} />}
		</a>
	);
	if (entry.folder) {
		return (
			<>
				<span role="gridcell" class="cut keys-name">
					{link}
				</span>
				<span role="gridcell" class="cut muted">
					{space === 'v2' ? 'directory' : entry.count !== undefined && `${count(entry.count)} ${entry.count === 1 ? 'key' : 'keys'}`}
				</span>
				<span role="gridcell" class="keys-size" />
				<span role="gridcell" class="keys-version" />
				<span role="gridcell" class="keys-modified" />
				<span role="gridcell" class="keys-lease">
					{entry.deadline !== undefined && <Ttl deadline={entry.deadline} kept={entry.kept >= enough} />}
				</span>
			</>
		);
	}
	const shown = shownOf(entry);
	return (
		<>
			<span role="gridcell" class="cut keys-name">
				{link}
			</span>
			<span role="gridcell" class="cut keys-value">
				<Value shown={shown} />
			</span>
			<span role="gridcell" class="number muted keys-size">
				{shown === 'large' ? '> 384 KiB' : shown && size(shown.size)}
			</span>
			<span role="gridcell" class="number muted keys-version">
				{space === 'v3' ? entry.version : entry.created}
			</span>
			<span role="gridcell" class="number muted keys-modified">
				<span key={entry.modified} class={entry.fresh ? 'keys-fresh' : ''}>
					{entry.modified}
				</span>
			</span>
			<span role="gridcell" class="keys-lease">
				{entry.deadline !== undefined && <Ttl deadline={entry.deadline} kept={entry.kept >= enough} />}
				{entry.lease !== '0' && <Lease id={entry.lease} />}
			</span>
		</>
	);
}

function Lease({ id }: { id: string }) {
	const hex = leaseHex(id);
	return (
		<a class="data" href={href('leases', { id: hex as Bytes })} tabIndex={-1} title={`Lease ${hex}: the key goes when it ends`} onClick={(event) => event.stopPropagation()}>
			{hex}
		</a>
	);
}

/** The line of a value is made when it is first seen. */
function shownOf(entry: KeyEntry): Preview | 'large' | undefined {
	if (entry.value !== undefined) {
		entry.preview = preview(entry.value);
		entry.value = undefined;
	}
	return entry.preview;
}

export function Value({ shown }: { shown: Preview | 'large' | undefined }) {
	if (shown === undefined) return null;
	if (shown === 'large') return <span class="muted">too large for a line: open it</span>;
	if (shown.size === 0) return <span class="muted">(empty)</span>;
	if (!shown.binary) return <Text text={shown.text} max={240} />;
	return (
		<span class="bytes" title="These bytes are not UTF-8">
			<span class="odd">hex</span> {shown.text}
		</span>
	);
}
