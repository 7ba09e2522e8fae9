// All leases: what is left of them, and what hangs on them.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Bytes, toText } from '../../api/bytes.ts';
import { Failure } from '../../api/failure.ts';
import { type Lease, lease, leaseHex, leaseID, revoke } from '../../api/v3.ts';
import { now } from '../../live/clock.ts';
import { followLeases, type LeaseRow, type Leases as Following } from '../../live/leases.ts';
import { go, href, parameter, place, text } from '../../router.ts';
import { gateway, settings } from '../../settings.ts';
import { confirm, say, sayFailure } from '../../ui/dialog.tsx';
import { Live } from '../../ui/live.tsx';
import { Ago, Busy, Button, Copy, count, duration, Empty, Page, Problem, secondsLeft } from '../../ui/parts.tsx';
import { Rows } from '../../ui/rows.tsx';
import { Data, label } from '../../ui/text.tsx';
import { useEscape, useMedia, useWidth } from '../queues/use.ts';
import { readOnly } from '../queues/words.ts';
import { meaning, ownKey, ownLink, whose } from './own.ts';
import '../queues/queues.css';
import './leases.css';

export function Leases() {
	if (settings.api === 'v2') {
		return (
			<Page title="Leases">
				<Empty title="The v2 API has no leases">
					A key has a time to live of its own there, and the <a href={href('keys')}>keys</a> show it. The gateway of this dashboard uses the v2 API (<code>api v2</code> in its Caddyfile).
				</Empty>
			</Page>
		);
	}
	return <All />;
}

function All() {
	const [leases, setLeases] = useState<Following>();
	useEffect(() => {
		const following = followLeases();
		setLeases(following);
		return () => following.stream.stop();
	}, []);
	return (
		<Page
			full
			title="Leases"
			beside={leases && <Live stream={leases.stream} />}
			actions={
				leases && (
					<>
						<span class="leases-listed" title="etcd does not tell of leases that come or are kept alive: it has to be asked">
							{leases.listed.value > 0 && (
								<>
									asked <Ago at={leases.listed.value} /> ago
								</>
							)}
						</span>
						<Button onClick={leases.refresh}>Refresh</Button>
					</>
				)
			}
		>
			{leases && <Content leases={leases} />}
		</Page>
	);
}

function Content({ leases }: { leases: Following }) {
	const narrow = useMedia('(max-width: 720px)');
	const hex = text('id');
	const id = hex === undefined ? undefined : leaseID(hex);
	const rows = leases.rows.value;
	const rowless = rows === undefined ? leases.stream.failure.value : undefined;
	const failure = leases.failure.value ?? rowless;
	const [seen, setSeen] = useState<readonly string[]>([]);
	// The one that is open is wanted too, wherever the list stands.
	useEffect(() => leases.want(id === undefined ? ['', ...seen] : [id, ...seen.filter((other) => other !== id)]), [leases, seen, id, rows === undefined]);
	const some = rows && (rows.length > 0 || hex !== undefined);
	return (
		<>
			{failure && <Problem failure={failure} retry={leases.refresh} />}
			{!rows ? (
				failure ? null : <Busy />
			) : (
				<div class={hex === undefined ? 'queues-whole' : 'queues-split'}>
					{(hex === undefined || !narrow) && (
						<div key="list" class="queues-side">
							{some ? <List rows={rows} narrow={narrow} open={id} onSeen={setSeen} /> : <Nothing />}
						</div>
					)}
					{hex !== undefined && <Detail key={hex} leases={leases} hex={hex} id={id} narrow={narrow} />}
				</div>
			)}
		</>
	);
}

function Nothing() {
	return (
		<Empty title="No leases" command={`etcdctl --endpoints ${gateway.origin} lease grant 600`}>
			A lease ends after its time unless it is kept alive, and takes along the keys that hang on it. This grants one:
		</Empty>
	);
}

type Sort = 'id' | 'left' | 'keys';

const sorts: Record<Sort, string> = { id: 'ID', left: 'Left', keys: 'Keys' };

function List({ rows, narrow, open, onSeen }: { rows: readonly LeaseRow[]; narrow: boolean; open: string | undefined; onSeen: (ids: readonly string[]) => void }) {
	const given = text('sort');
	const sort: Sort = given === 'left' || given === 'keys' ? given : 'id';
	const filter = text('filter') ?? '';
	const [active, setActive] = useState(open);
	const [ref, width] = useWidth();
	const [range, setRange] = useState<readonly [number, number]>([0, 0]);
	const shown = useMemo(() => arrange(rows, filter, sort), [rows, filter, sort]);
	// To be sorted by what is only known when it is asked for, or found by it, all are asked for.
	const everything = sort !== 'id' || filter !== '';
	const onScreen = shown.slice(range[0], range[1]).map((row) => row.id);
	const wants = everything ? [...onScreen, ...rows.filter((row) => !row.known).map((row) => row.id)] : onScreen;
	const wanted = wants.join();
	useEffect(() => onSeen(wants), [wanted]);
	const unknown = everything ? rows.reduce((n, row) => n + (row.known ? 0 : 1), 0) : 0;
	const style: Record<string, string> = narrow ? {} : { gridTemplateColumns: `${width < 700 ? 140 : 170}px ${width < 700 ? 150 : 200}px 44px minmax(0, 1fr)` };
	const address = (changes: { sort?: string | undefined; filter?: string | undefined; id?: string | undefined }): string => {
		const all: Record<string, Bytes | undefined> = Object.fromEntries(place.peek().parameters);
		for (const [name, value] of Object.entries(changes)) all[name] = parameter(value);
		return href('leases', all);
	};
	return (
		<div class="queues-list">
			<div class="queues-tools">
				<p class="queues-counts">
					<b>{count(rows.length)}</b> {rows.length === 1 ? 'lease' : 'leases'}
					{unknown > 0 && <span role="status">, looking at {count(unknown)} of them</span>}
				</p>
				<input
					class="input data"
					type="search"
					aria-label="Filter by ID or key"
					placeholder="Filter by ID or key"
					value={filter}
					onInput={(event) => void go(address({ filter: event.currentTarget.value || undefined }), { replace: true })}
				/>
			</div>
			<div class="panel queues-table" ref={ref}>
				<div class={`queues-head ${narrow ? 'leases-narrow' : ''}`} style={style}>
					{(Object.keys(sorts) as Sort[]).map((name) => (
						<a key={name} class={`queues-sort ${name === 'keys' ? 'number' : ''}`} href={address({ sort: name === 'id' ? undefined : name })} aria-current={sort === name ? 'true' : undefined}>
							{sorts[name]}
							{sort === name && <span aria-hidden="true">{name === 'keys' ? ' ↓' : ' ↑'}</span>}
						</a>
					))}
					{!narrow && <span>What hangs on it</span>}
				</div>
				<Rows
					count={shown.length}
					height={narrow ? 58 : 30}
					label="Leases"
					reveal
					active={active === undefined ? -1 : shown.findIndex((row) => row.id === active)}
					onActive={(i) => setActive(shown[i]?.id)}
					onOpen={(i) => {
						const row = shown[i];
						if (row) void go(address({ id: leaseHex(row.id) }));
					}}
					onSeen={(first, last) => setRange([first, last])}
					rowKey={(i) => shown[i]?.id ?? ''}
					rowClass={(i) => `queues-row ${shown[i]?.id === open ? 'open' : ''}`}
					render={(i) => {
						const row = shown[i];
						return row && <Line key={row.id} row={row} style={style} to={address({ id: leaseHex(row.id) })} />;
					}}
				/>
				{shown.length === 0 && (
					<Empty title="None fits">
						{unknown > 0 ? 'None so far.' : `No ID and no key of ${rows.length === 1 ? 'it' : 'theirs'} has “${filter}” in it.`}
					</Empty>
				)}
			</div>
		</div>
	);
}

export function arrange(rows: readonly LeaseRow[], filter: string, sort: Sort): readonly LeaseRow[] {
	const wanted = filter.toLowerCase();
	const some = wanted ? rows.filter((row) => leaseHex(row.id).includes(wanted) || row.known?.keys.some((key) => label(key).toLowerCase().includes(wanted))) : rows;
	if (sort === 'id') return some;
	const value = (row: LeaseRow): number => (!row.known ? Number.POSITIVE_INFINITY : sort === 'left' ? row.known.deadline : -row.known.keys.length);
	return some.toSorted((a, b) => value(a) - value(b) || 0);
}

function Line({ row, style, to }: { row: LeaseRow; style: Record<string, string>; to: string }) {
	const { id, known } = row;
	return (
		<div class="queues-line leases-line" role="presentation" style={style}>
			<span role="gridcell" class="leases-id">
				<a href={to} tabIndex={-1}>
					{leaseHex(id)}
				</a>
			</span>
			<span role="gridcell" class="leases-left">
				{known ? <Left deadline={known.deadline} granted={known.granted} /> : <span class="muted">…</span>}
			</span>
			<span role="gridcell" class="leases-count number">
				{known && (known.tooMany ? 'many' : count(known.keys.length))}
			</span>
			<span role="gridcell" class="leases-keys">
				{known && <Keys keys={known.keys} tooMany={known.tooMany} />}
			</span>
		</div>
	);
}

/** What is left, of what was granted. */
function Left({ deadline, granted }: { deadline: number; granted: number }) {
	const left = Math.max(0, (deadline - now.value) / 1000);
	// Its end would have been told, or asked for.
	const kept = left === 0 && deadline + 3_000 < now.value;
	return (
		<span
			class="leases-ttl"
			title={kept ? `granted for ${duration(granted)}; it has been kept alive since etcd was asked, and Refresh says how long it has now` : `granted for ${duration(granted)}; ends in ${duration(secondsLeft(deadline))}, unless it has been kept alive since etcd was asked`}
		>
			<span>
				{kept ? 'kept alive,' : duration(secondsLeft(deadline))} <span class="muted">{kept ? duration(granted) : `of ${duration(granted)}`}</span>
			</span>
			<i class="queues-drain" aria-hidden="true">
				<b style={{ transform: `scaleX(${granted ? Math.min(1, left / granted).toFixed(3) : 0})` }} />
			</i>
		</span>
	);
}

const shownInLine = 6;

function Keys({ keys, tooMany }: { keys: readonly Bytes[]; tooMany: boolean }) {
	if (tooMany) return <span class="muted">more keys than are shown here</span>;
	if (keys.length === 0) return <span class="muted">nothing</span>;
	const said = meaning(keys);
	if (said) return <span class="leases-said">{said}</span>;
	const others = keys.filter((key) => ownKey(key)?.kind !== 'mark');
	return (
		<>
			{others.slice(0, shownInLine).map((key) => (
				<Key key={key} bytes={key} />
			))}
			{others.length > shownInLine && <span class="muted">+{count(others.length - shownInLine)} more</span>}
			{others.length === 0 && <span class="muted">nothing; the gateway keeps it for the next hold</span>}
		</>
	);
}

function Key({ bytes, wide }: { bytes: Bytes; wide?: boolean }) {
	const own = ownKey(bytes);
	const link = own && ownLink(own);
	const [holder, setHolder] = useState<string>();
	useEffect(() => {
		if (!own || !link) return;
		const control = new AbortController();
		whose(bytes, own, control.signal).then(setHolder, () => undefined);
		return () => control.abort();
	}, [bytes]);
	if (own && (own.kind === 'lock' || own.kind === 'leader')) {
		return (
			<a class="leases-key own" href={link} tabIndex={wide ? 0 : -1} title={label(bytes)} onClick={(event) => event.stopPropagation()}>
				{own.kind === 'lock' ? 'lock ' : 'election '}
				<span class="data">{own.name}</span>
				{holder && <span class="muted">, {holder}</span>}
			</a>
		);
	}
	return (
		<a class="leases-key" href={href('keys', { key: bytes })} tabIndex={wide ? 0 : -1} title={label(bytes)} onClick={(event) => event.stopPropagation()}>
			<Data bytes={bytes} max={300} />
			{own && <span class="muted"> {own.kind === 'gateway' ? '(a gateway)' : '(the gateway’s mark)'}</span>}
		</a>
	);
}

function Detail({ leases, hex, id, narrow }: { leases: Following; hex: string; id: string | undefined; narrow: boolean }) {
	const row = leases.rows.value?.find((r) => r.id === id);
	const close = href('leases', { ...Object.fromEntries(place.peek().parameters), id: undefined });
	useEscape(() => void go(close).then(() => document.querySelector<HTMLElement>('.queues-list .rows')?.focus()));
	return (
		<section
			class="panel queues-detail"
			aria-label={`The lease ${hex}`}
		>
			<header>
				{narrow && (
					<a class="button small" href={close}>
						All leases
					</a>
				)}
				<h2 class="cut data">{hex}</h2>
				<div class="actions">
					<Copy text={hex} />
					{row && (
						<Button small kind="danger" disabled={readOnly !== undefined} title={readOnly} onClick={() => void askToRevoke(leases, row.id)}>
							Revoke
						</Button>
					)}
					{!narrow && (
						<a class="button plain small" href={close} aria-label="Close">
							✕
						</a>
					)}
				</div>
			</header>
			{id === undefined ? (
				<Empty title="This is no lease">The ID of a lease is up to 16 hexadecimal digits.</Empty>
			) : !row ? (
				<Empty title="There is no such lease">It has ended, or has been revoked, and the keys that hung on it have gone with it.</Empty>
			) : !row.known ? (
				<Busy />
			) : (
				<Known id={id} known={row.known} />
			)}
		</section>
	);
}

function Known({ id, known }: { id: string; known: NonNullable<LeaseRow['known']> }) {
	const { keys } = known;
	return (
		<>
			<dl class="queues-facts">
				<div>
					<dt>Left</dt>
					<dd>
						<Left deadline={known.deadline} granted={known.granted} />
					</dd>
				</div>
				<div>
					<dt>Keys</dt>
					<dd>{known.tooMany ? 'very many' : count(keys.length)}</dd>
				</div>
				<div>
					<dt>In decimal digits</dt>
					<dd class="data">{BigInt.asUintN(64, BigInt(id)).toString()}</dd>
				</div>
			</dl>
			{meaning(keys) && <p class="queues-beyond">It is the lease of {meaning(keys)}.</p>}
			{known.tooMany ? (
				<p class="queues-beyond">So many keys hang on it that they are not listed here.</p>
			) : keys.length === 0 ? (
				<p class="queues-beyond">No key hangs on it.</p>
			) : (
				<div class="leases-all">
					<Rows
						count={keys.length}
						height={30}
						label="Its keys"
						active={-1}
						onActive={() => undefined}
						onOpen={() => undefined}
						rowKey={(i) => keys[i] ?? ''}
						render={(i) => {
							const key = keys[i];
							return (
								key !== undefined && (
									<span role="gridcell" class="leases-one">
										<Key bytes={key} wide />
									</span>
								)
							);
						}}
					/>
				</div>
			)}
		</>
	);
}

const named = 8;

/** Asks whether the lease is to be revoked, and says what goes with it. */
async function askToRevoke(leases: Following, id: string): Promise<void> {
	let found: Lease;
	try {
		found = await lease(id, undefined, { maxBytes: 1_000_000 });
	} catch (thrown) {
		sayFailure(thrown);
		return;
	}
	if (found.ttl < 0) {
		say('It has ended already', 'warn');
		leases.forget(id);
		return;
	}
	const known = new Set(found.keys);
	await confirm({
		title: `Revoke ${leaseHex(id)}`,
		body: <Goes lease={found} />,
		action: found.keys.length === 0 ? 'Revoke' : `Revoke, and delete ${count(found.keys.length)} ${found.keys.length === 1 ? 'key' : 'keys'}`,
		danger: true,
		run: async () => {
			const there = await lease(id, undefined, { maxBytes: 1_000_000 });
			const more = there.keys.find((key) => !known.has(key));
			if (more !== undefined) throw new Failure('conflict', `${label(more)} hangs on it by now, too`);
			try {
				if (there.ttl < 0) throw new Failure('notFound', 'it has ended');
				await revoke(id);
				say(`Revoked ${leaseHex(id)}`);
			} catch (thrown) {
				if (!(thrown instanceof Failure) || thrown.kind !== 'notFound') throw thrown;
				say('It had ended already', 'warn', 'Its keys went with it.');
			}
			leases.forget(id);
		},
	});
}

function Goes({ lease: { keys, tooMany } }: { lease: Lease }) {
	if (tooMany) return <>Very many keys hang on it, more than can be listed here. All of them are deleted.</>;
	if (keys.length === 0) return <>No key hangs on it. Whoever keeps it alive is told that it has gone.</>;
	const owns = keys.map(ownKey);
	const own = owns.some((o) => o?.kind === 'gateway')
		? 'It is the lease of a gateway: all who wait through it lose their places, and have to ask again.'
		: owns.some((o) => o?.kind === 'lock' || o?.kind === 'leader')
			? 'It is a hold of the gateway’s: who has it still believes so until it asks again, and the next in the queue gets it at once.'
			: undefined;
	return (
		<>
			{own ?? 'Whoever keeps it alive is told that it has gone.'} These keys are deleted with it:
			<span class="leases-going">
				{keys.slice(0, named).map((key) => (
					<span key={key} class="cut" title={label(key)}>
						{toText(key) === undefined ? label(key) : <Data bytes={key} max={200} />}
					</span>
				))}
				{keys.length > named && <span>and {count(keys.length - named)} more</span>}
			</span>
		</>
	);
}
