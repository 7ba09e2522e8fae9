// One lock, or one election: its whole queue, what can be done about it, and what happens.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Entry } from '../../api/modules.ts';
import type { Queues, Row } from '../../live/queues.ts';
import { go } from '../../router.ts';
import { Busy, Button, Copy, count, Empty, Pill } from '../../ui/parts.tsx';
import { Rows } from '../../ui/rows.tsx';
import { Text } from '../../ui/text.tsx';
import { askToEnd } from './act.tsx';
import { History, SinceWhen } from './history.tsx';
import { Drain, Value } from './track.tsx';
import { useEscape } from './use.ts';
import { command, election, here, readOnly, type Words } from './words.ts';

export function Detail({ words, queues, name, narrow }: { words: Words; queues: Queues; name: string; narrow: boolean }) {
	const known = queues.known.value;
	void queues.rows.value;
	const row = queues.row(name);
	const close = here(words.page, { name: undefined });
	const back = useRef<HTMLAnchorElement>(null);
	useEscape(() => void go(close).then(() => document.querySelector<HTMLElement>('.queues-list .rows')?.focus()));
	useEffect(() => {
		// The list is not in the page any more.
		if (narrow) back.current?.focus({ preventScroll: true });
	}, [narrow]);
	return (
		<section
			class="panel queues-detail"
			aria-label={`The ${words.one} ${name}`}
		>
			<header>
				{narrow && (
					<a ref={back} class="button small" href={close}>
						All {words.many}
					</a>
				)}
				<h2 class="cut" title={name}>
					<Text text={name} max={1100} />
				</h2>
				<div class="actions">
					<Copy text={name} label="Copy name" />
					{!narrow && (
						<a class="button plain small" href={close} aria-label="Close">
							✕
						</a>
					)}
				</div>
			</header>
			{!known ? (
				<Busy />
			) : row && row.queue.length > 0 ? (
				<Standing words={words} queues={queues} row={row} />
			) : (
				<Empty title={words.free} command={command(words, name)}>
					Nobody waits either. {words.module === 'lock' ? 'This takes it for a minute:' : 'This leads it for a minute:'}
				</Empty>
			)}
			{known && (
				<div class="queues-happened">
					<h3>Last changes</h3>
					<History words={words} queues={queues} name={name} />
				</div>
			)}
		</section>
	);
}

const height = 30;

function Standing({ words, queues, row }: { words: Words; queues: Queues; row: Row }) {
	const [active, setActive] = useState(-1);
	const waiting = row.queue.filter((entry) => entry.state === 'waiting').length + (row.more ?? 0);
	const ask = (entry: Entry | undefined): void => {
		if (entry) askToEnd(words, queues, row.key, entry);
	};
	return (
		<>
			<dl class="queues-facts">
				<div>
					<dt>{words.holder}</dt>
					<dd class="cut">{row.index ? <Value value={row.value} /> : <span class="muted">being handed over</span>}</dd>
				</div>
				{row.index > 0 && (
					<div>
						<dt>{words === election ? 'Leads for' : 'Held for'}</dt>
						<dd>
							<SinceWhen since={row.since} />
						</dd>
					</div>
				)}
				<div>
					<dt>Waiting</dt>
					<dd>{count(waiting)}</dd>
				</div>
			</dl>
			<div class="queues-entries" style={{ height: `${Math.min(row.queue.length, 14) * height + 2}px` }}>
				<Rows
					count={row.queue.length}
					height={height}
					label={`The queue of ${row.key}`}
					active={Math.min(active, row.queue.length - 1)}
					onActive={setActive}
					onOpen={() => undefined}
					onKey={(event, i) => {
						if (event.key !== 'Delete' || readOnly) return false;
						ask(row.queue[i]);
						return true;
					}}
					rowKey={(i) => String(row.queue[i]?.index)}
					render={(i) => {
						const entry = row.queue[i];
						return entry && <EntryLine words={words} row={row} entry={entry} position={i + 1} onEnd={() => ask(entry)} />;
					}}
				/>
			</div>
			{row.more ? (
				<p class="queues-beyond">
					and {count(row.more)} more. The gateway tells of the first {count(row.queue.length)}.
				</p>
			) : null}
		</>
	);
}

function EntryLine({ words, row, entry, position, onEnd }: { words: Words; row: Row; entry: Entry; position: number; onEnd: () => void }) {
	const held = entry.state === 'held';
	const action = held ? words.end : words.cancel;
	return (
		<div class="queues-entry" role="presentation">
			<span role="gridcell" class="queues-position">
				{position}
			</span>
			<span role="gridcell" class="cut" title={entry.value}>
				<Value value={entry.value} />
			</span>
			<span role="gridcell" class="queues-index" title="Its index">
				{entry.index}
			</span>
			<span role="gridcell" class="queues-stand">
				{held ? (
					<span class="queues-ttl" title="Until its time is over, unless it is renewed">
						<Drain deadline={row.deadline} full={row.full} />
					</span>
				) : (
					<Pill>waits</Pill>
				)}
			</span>
			<span role="gridcell" class="queues-act">
				<Button
					small
					disabled={readOnly !== undefined}
					title={readOnly}
					aria-label={`${action} ${entry.value === '-' ? 'the one without a value' : entry.value}, index ${entry.index}`}
					onClick={(event) => {
						event.stopPropagation();
						onEnd();
					}}
				>
					{action}
				</Button>
			</span>
		</div>
	);
}
