// The page of locks, and that of elections: all of them, a line each, live; and one of them.

import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { follow, type Queues, type Row } from '../../live/queues.ts';
import { go, text } from '../../router.ts';
import { settings } from '../../settings.ts';
import { Live } from '../../ui/live.tsx';
import { Busy, count, Empty, Page, Problem } from '../../ui/parts.tsx';
import { Rows } from '../../ui/rows.tsx';
import { Text } from '../../ui/text.tsx';
import { Clients } from './clients.tsx';
import { Detail } from './detail.tsx';
import { Latest, SinceWhen } from './history.tsx';
import { type Place, Track } from './track.tsx';
import { useMedia, useWidth } from './use.ts';
import { command, election, here, type Words } from './words.ts';
import './queues.css';

export function Board({ words }: { words: Words }) {
	const [queues, setQueues] = useState<Queues>();
	const clients = settings.api === 'v3' && text('by') === 'clients';
	useEffect(() => {
		// A browser has six connections to a gateway without TLS: none for what is not shown.
		if (clients) return;
		const following = follow(words.module);
		setQueues(following);
		return () => {
			following.stream.stop();
			setQueues(undefined);
		};
	}, [words, clients]);
	return (
		<Page
			full
			title={words.title}
			beside={
				<>
					{settings.api === 'v3' && <Tabs words={words} clients={clients} />}
					{queues && !clients && <Live stream={queues.stream} />}
				</>
			}
		>
			{clients ? <Clients words={words} /> : queues && <Own words={words} queues={queues} />}
		</Page>
	);
}

function Tabs({ words, clients }: { words: Words; clients: boolean }) {
	const fresh = { name: undefined, filter: undefined, sort: undefined, below: undefined };
	return (
		<nav class="queues-tabs" aria-label={`Whose ${words.many}`}>
			<a href={here(words.page, { ...fresh, by: undefined })} aria-current={clients ? undefined : 'true'}>
				The gateway’s
			</a>
			<a href={here(words.page, { ...fresh, by: 'clients' })} aria-current={clients ? 'true' : undefined} title={words.clients}>
				etcd’s own clients
			</a>
		</nav>
	);
}

function Own({ words, queues }: { words: Words; queues: Queues }) {
	const name = text('name');
	const narrow = useMedia('(max-width: 720px)');
	const rows = queues.rows.value;
	const known = queues.known.value;
	const failure = queues.stream.failure.value;
	// The list stays what it is when one of it is opened: where it is scrolled to, and who has the focus.
	return (
		<div class={name === undefined ? 'queues-whole' : 'queues-split'}>
			{(name === undefined || !narrow) && (
				<div key="list" class="queues-side">
					{!known ? failure ? <Problem failure={failure} retry={queues.stream.retry} /> : <Busy /> : rows.length === 0 ? <Nothing words={words} /> : <List words={words} rows={rows} narrow={narrow} />}
				</div>
			)}
			{name !== undefined ? <Detail key={`of ${name}`} words={words} queues={queues} name={name} narrow={narrow} /> : known && rows.length > 0 && !narrow && <Latest words={words} queues={queues} />}
		</div>
	);
}

function Nothing({ words }: { words: Words }) {
	return (
		<Empty title={words.none} command={command(words, words.module === 'lock' ? 'customer1' : 'order_processing')}>
			{words.why}
		</Empty>
	);
}

type Sort = 'name' | 'queue';

function List({ words, rows, narrow }: { words: Words; rows: readonly Row[]; narrow: boolean }) {
	const filter = text('filter') ?? '';
	const sort: Sort = text('sort') === 'queue' ? 'queue' : 'name';
	const open = text('name');
	const [activeKey, setActive] = useState(open);
	const [ref, width] = useWidth();
	const shown = useMemo(() => arrange(rows, filter, sort), [rows, filter, sort]);
	const dated = words === election;
	const columns = layout(width, narrow, dated);
	const existing = rows.filter((row) => row.queue.length > 0);
	const held = existing.reduce((n, row) => n + (row.index ? 1 : 0), 0);
	const waiting = existing.reduce((n, row) => n + waitingIn(row), 0);
	const active = activeKey === undefined ? -1 : shown.findIndex((row) => row.key === activeKey);
	return (
		<div class={`queues-list ${open === undefined && !narrow ? 'alone' : ''}`}>
			<div class="queues-tools">
				<p class="queues-counts">
					<b>{count(existing.length)}</b> {existing.length === 1 ? words.one : words.many}, <b>{count(held)}</b> {words.module === 'lock' ? 'held' : 'with a leader'}, <b>{count(waiting)}</b> waiting
				</p>
				<input
					class="input data"
					type="search"
					aria-label={`Filter by name or ${words.module === 'lock' ? 'value' : 'candidate'}`}
					placeholder={`Filter by name or ${words.module === 'lock' ? 'value' : 'candidate'}`}
					value={filter}
					onInput={(event) => void go(here(words.page, { filter: event.currentTarget.value || undefined }), { replace: true })}
				/>
			</div>
			<div class="panel queues-table" ref={ref} style={open === undefined && !narrow ? { flex: `0 1 ${Math.max(shown.length, 4) * 30 + 33}px` } : {}}>
				<div class={`queues-head ${narrow ? 'narrow' : ''}`} style={columns.style}>
					<SortBy words={words} sort="name" current={sort}>
						Name
					</SortBy>
					{!narrow && dated && <span>Since</span>}
					{!narrow && (
						<span class="queues-columns">
							<span>{words.holder}</span>
							<span>{words.waiters}</span>
						</span>
					)}
					<SortBy words={words} sort="queue" current={sort}>
						Queue
					</SortBy>
				</div>
				<Rows
					count={shown.length}
					height={narrow ? 58 : 30}
					label={words.title}
					active={active}
					reveal
					onActive={(i) => setActive(shown[i]?.key)}
					onOpen={(i) => {
						const row = shown[i];
						if (row) void go(here(words.page, { name: row.key }));
					}}
					rowKey={(i) => shown[i]?.key ?? ''}
					rowClass={(i) => `queues-row ${shown[i]?.key === open ? 'open' : ''}`}
					render={(i) => {
						const row = shown[i];
						return row && <Line key={row.key} words={words} row={row} style={columns.style} room={columns.room} dated={dated} />;
					}}
				/>
				{shown.length === 0 && <Empty title="None fits">No name and no {words.module === 'lock' ? 'value' : 'candidate'} has “{filter}” in it.</Empty>}
			</div>
		</div>
	);
}

function SortBy({ words, sort, current, children }: { words: Words; sort: Sort; current: Sort; children: ComponentChildren }) {
	return (
		<a
			class={`queues-sort ${sort === 'queue' ? 'number' : ''}`}
			href={here(words.page, { sort: sort === 'name' ? undefined : sort })}
			aria-current={sort === current ? 'true' : undefined}
			title={sort === 'name' ? 'Sort by name' : 'Longest queue first'}
		>
			{children}
			{sort === current && <span aria-hidden="true">{sort === 'name' ? ' ↑' : ' ↓'}</span>}
		</a>
	);
}

function Line({ words, row, style, room, dated }: { words: Words; row: Row; style: Record<string, string>; room: number; dated: boolean }) {
	const { holder, waiting } = useMemo(() => placesOf(row), [row]);
	const n = waitingIn(row);
	return (
		<div class="queues-line" role="presentation" style={style}>
			<div role="gridcell" class="queues-name">
				<a href={here(words.page, { name: row.key })} tabIndex={-1} title={row.key}>
					<Text text={row.key} max={300} />
				</a>
			</div>
			{dated && (
				<div role="gridcell" class="queues-since">
					<SinceWhen since={row.since} />
				</div>
			)}
			<div role="gridcell" class="queues-cell">
				<Track
					holder={holder}
					{...(holder && { mark: `#${row.index}` })}
					deadline={holder && row.deadline}
					full={row.full}
					waiting={waiting}
					more={n - waiting.length}
					free={row.queue.length > 0 ? 'being handed over' : 'free'}
					room={room}
				/>
			</div>
			<div role="gridcell" class="queues-length number" title={`${n} waiting`}>
				{n || ''}
			</div>
		</div>
	);
}

/** How many wait. */
export function waitingIn(row: Row): number {
	return row.queue.length + (row.more ?? 0) - (row.index ? 1 : 0);
}

function placesOf(row: Row): { holder: Place | undefined; waiting: Place[] } {
	let holder: Place | undefined;
	const waiting: Place[] = [];
	for (const entry of row.queue) {
		const value = entry.value === '-' ? 'no value' : entry.value;
		if (entry.state === 'held') holder = { id: entry.index, value: entry.value, title: `${value}, index ${entry.index}` };
		else if (waiting.length < 40) waiting.push({ id: entry.index, value: entry.value, title: `${waiting.length + 1}. ${value}, index ${entry.index}` });
	}
	return { holder, waiting };
}

/** Those that the filter lets through, in order. */
export function arrange(rows: readonly Row[], filter: string, sort: Sort): readonly Row[] {
	const wanted = filter.toLowerCase();
	const fits = (text: string): boolean => text.toLowerCase().includes(wanted);
	const some = wanted ? rows.filter((row) => fits(row.key) || row.queue.some((entry) => fits(entry.value))) : rows;
	return sort === 'name' ? some : some.toSorted((a, b) => waitingIn(b) - waitingIn(a));
}

/** The columns' widths, and what room there is for those who wait. */
function layout(width: number, narrow: boolean, dated: boolean): { style: Record<string, string>; room: number } {
	if (narrow) return { style: {}, room: 0 };
	const name = Math.round(Math.min(280, Math.max(150, width * 0.2)));
	const since = dated ? 76 : 0;
	return {
		style: { gridTemplateColumns: [`${name}px`, ...(dated ? [`${since}px`] : []), 'minmax(0, 1fr)', '44px'].join(' ') },
		room: Math.max(1, width - 24 - name - since - (dated ? 36 : 24) - 44 - holderWidth - 8),
	};
}

const holderWidth = 250; // as in queues.css
