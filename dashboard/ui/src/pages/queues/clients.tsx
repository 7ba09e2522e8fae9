// The locks, or elections, that etcd's own clients make; to look at only.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Bytes, toText } from '../../api/bytes.ts';
import { type ClientEntry, type ClientQueue, type Clients as Following, followClients } from '../../live/clients.ts';
import { leaseHex } from '../../api/v3.ts';
import { go, href, place } from '../../router.ts';
import { Live } from '../../ui/live.tsx';
import { Button, count, Empty, Problem } from '../../ui/parts.tsx';
import { Rows } from '../../ui/rows.tsx';
import { Data, label } from '../../ui/text.tsx';
import { type Place, Track } from './track.tsx';
import { useMedia, useWidth } from './use.ts';
import { election, here, type Words } from './words.ts';

export function Clients({ words }: { words: Words }) {
	const below = place.value.parameters.get('below') ?? ('' as Bytes);
	const [following, setFollowing] = useState<Following>();
	const [stopped, setStopped] = useState(false);
	useEffect(() => {
		if (stopped) return;
		const begun = followClients(below);
		setFollowing(begun);
		return () => begun.stream.stop();
	}, [below, stopped]);
	if (!following) return null;
	return <Shown key={below} words={words} clients={following} below={below} stopped={stopped} onStop={setStopped} />;
}

interface ShownProps {
	words: Words;
	clients: Following;
	below: Bytes;
	stopped: boolean;
	onStop: (stopped: boolean) => void;
}

function Shown({ words, clients, below, stopped, onStop }: ShownProps) {
	const all = clients.queues.value;
	const progress = clients.progress.value;
	const asks = clients.asks.value;
	const queues = useMemo(() => all.filter((q) => q.election === (words === election)), [all, words]);
	const failure = clients.stream.failure.value;
	const looking = progress !== undefined && asks === undefined && !failure;
	return (
		<div class="queues-list">
			<div class="queues-tools">
				<p class="queues-counts">
					<b>{count(queues.length)}</b> {queues.length === 1 ? words.one : words.many} made with {words.clients}; to look at only
				</p>
				{!stopped && asks === undefined && !looking && <Live stream={clients.stream} />}
				<form
					class="queues-below"
					onSubmit={(event) => {
						event.preventDefault();
						const wanted = String(new FormData(event.currentTarget).get('below'));
						onStop(false);
						void go(here(words.page, { below: wanted || undefined }));
					}}
				>
					<input class="input data" name="below" aria-label="Only below this prefix" placeholder="Only below a prefix" defaultValue={toText(below) ?? ''} />
					<Button type="submit">Look</Button>
				</form>
			</div>
			{failure && !stopped && (
				<Problem failure={failure} retry={clients.stream.retry}>
					{failure.kind === 'forbidden' && <p>Or look only below a prefix that you may read.</p>}
				</Problem>
			)}
			{stopped ? (
				<div class="note">
					<div>
						<strong>Stopped</strong>
						<p>
							{progress ? `${count(progress.seen)} of ${count(progress.of)} keys were looked at; there may be more than is shown.` : 'What is shown is from before.'}
						</p>
					</div>
					<Button onClick={() => onStop(false)}>Look again</Button>
				</div>
			) : asks !== undefined ? (
				<div class="note warn">
					<div>
						<strong>There are {count(asks)} keys</strong>
						<p>etcd has no list of these {words.many}, so all keys are looked at once, without their values, some megabytes for each 10,000. A prefix makes it less.</p>
					</div>
					<Button onClick={clients.agree}>Look at all keys</Button>
				</div>
			) : (
				looking && (
					<div class="note">
						<div>
							<strong>Looking through the keys</strong>
							<p role="status">
								{count(progress.seen)} of {count(progress.of)}
							</p>
							<progress aria-label="Keys looked at" max={progress.of || 1} value={progress.seen} />
						</div>
						<Live stream={clients.stream} />
						<Button onClick={() => onStop(true)}>Stop</Button>
					</div>
				)
			)}
			{queues.length > 0 ? (
				<List words={words} queues={queues} />
			) : (
				!looking &&
				!failure &&
				asks === undefined && (
					<Empty
						title={`No ${words.many} of etcd’s own clients`}
						command={words === election ? 'etcdctl elect my-election me' : 'etcdctl lock my-lock'}
					>
						They would be keys below a prefix, each named by its lease in hexadecimal digits{below !== '' && `, here below ${label(below)}`}. This makes one:
					</Empty>
				)
			)}
		</div>
	);
}

function List({ words, queues }: { words: Words; queues: readonly ClientQueue[] }) {
	const narrow = useMedia('(max-width: 720px)');
	const [ref, width] = useWidth();
	const [activeKey, setActive] = useState<Bytes>();
	const active = activeKey === undefined ? -1 : queues.findIndex((q) => q.prefix === activeKey);
	const name = Math.round(Math.min(320, Math.max(150, width * 0.24)));
	const style: Record<string, string> = narrow ? {} : { gridTemplateColumns: `${name}px minmax(0, 1fr) 44px` };
	const room = narrow ? 0 : Math.max(1, width - 24 - name - 24 - 44 - 258);
	return (
		<div class="panel queues-table" ref={ref}>
			<div class={`queues-head ${narrow ? 'narrow' : ''}`} style={style}>
				<span>Prefix</span>
				{!narrow && (
					<span class="queues-columns">
						<span>{words.holder}</span>
						<span>{words.waiters}</span>
					</span>
				)}
				<span class="number">Queue</span>
			</div>
			<Rows
				count={queues.length}
				height={narrow ? 58 : 30}
				label={`${words.title} of etcd's own clients`}
				active={active}
				onActive={(i) => setActive(queues[i]?.prefix)}
				onOpen={(i) => {
					const queue = queues[i];
					if (queue) void go(href('keys', { prefix: `${queue.prefix}/` as Bytes }));
				}}
				rowKey={(i) => queues[i]?.prefix ?? ''}
				rowClass={() => 'queues-row'}
				render={(i) => {
					const queue = queues[i];
					return queue && <Line queue={queue} style={style} room={room} />;
				}}
			/>
		</div>
	);
}

function Line({ queue, style, room }: { queue: ClientQueue; style: Record<string, string>; room: number }) {
	const [holder, ...waiting] = useMemo(() => queue.entries.slice(0, 40).map(placeOf), [queue]);
	const first = queue.entries[0];
	return (
		<div class="queues-line" role="presentation" style={style}>
			<div role="gridcell" class="queues-name">
				<a href={href('keys', { prefix: `${queue.prefix}/` as Bytes })} tabIndex={-1} title={label(queue.prefix)}>
					<Data bytes={queue.prefix} max={300} />
				</a>
			</div>
			<div role="gridcell" class="queues-cell">
				<Track holder={holder} mark={first && queue.election ? `#${first.createRevision}` : ''} waiting={waiting} more={Math.max(0, queue.entries.length - 40)} free="" room={room} />
			</div>
			<div role="gridcell" class="queues-length number">
				{queue.entries.length - 1 || ''}
			</div>
		</div>
	);
}

function placeOf(entry: ClientEntry): Place {
	const lease = leaseHex(entry.lease);
	const value = entry.value === undefined ? '(a long value)' : entry.value === '' ? `lease ${lease}` : label(entry.value);
	return { id: `${entry.key}`, value, title: `${value}${entry.value ? `, lease ${lease}` : ''}, created at revision ${entry.createRevision}` };
}
