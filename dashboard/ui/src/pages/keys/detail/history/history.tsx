// What a key was before, what has changed since, and how to get it back.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../../../../api/bytes.ts';
import { asFailure, type Failure, isAbort } from '../../../../api/failure.ts';
import { leaseHex } from '../../../../api/v3.ts';
import { settings } from '../../../../settings.ts';
import { confirm } from '../../../../ui/dialog.tsx';
import { Button, Busy, count, Problem, size } from '../../../../ui/parts.tsx';
import { label } from '../../../../ui/text.tsx';
import { current } from '../edit.ts';
import type { Editing } from '../editing.ts';
import { Comparison } from '../editor/comparison.tsx';
import { type End, merged, type Past, valueOf, walk } from './walk.ts';

const atATime = 20;

export function History({ editing }: { editing: Editing }) {
	const { store } = editing;
	const now = current(editing.edit.value);
	const [versions, setVersions] = useState<readonly Past[]>([]);
	const [end, setEnd] = useState<End>();
	const [failure, setFailure] = useState<Failure>();
	const [busy, setBusy] = useState(false);
	const [picked, setPicked] = useState<Past>();
	const walking = useRef<AbortController>(undefined);

	const go = async (from: number, before: readonly Past[]): Promise<void> => {
		walking.current?.abort();
		const own = new AbortController();
		walking.current = own;
		setBusy(true);
		setFailure(undefined);
		setEnd(undefined);
		setVersions(before);
		try {
			const ended = await walk(
				store.name,
				from,
				atATime,
				// A newer one may have come meanwhile.
				(past) => !own.signal.aborted && setVersions((known) => merged(known, [past])),
				own.signal,
			);
			if (!own.signal.aborted) setEnd(ended);
		} catch (thrown) {
			if (!isAbort(thrown) && !own.signal.aborted) setFailure(asFailure(thrown));
		}
		if (walking.current === own) setBusy(false);
	};

	// Whenever it is written, that is the newest version; those that are known stay.
	const newest = now?.revision;
	useEffect(() => {
		if (newest === undefined || versions[0]?.revision === newest) return;
		const known = versions.filter((v) => v.created === now?.created);
		if (known.length === 0) {
			void go(newest, []);
			return;
		}
		const own = new AbortController();
		const added: Past[] = [];
		walk(store.name, newest, (now?.version ?? 1) - (known[0]?.version ?? 0), (past) => added.push(past), own.signal).then(
			() => setVersions((known) => merged(known, added)),
			() => undefined,
		);
		return () => own.abort();
	}, [newest]);
	useEffect(() => () => walking.current?.abort(), []);

	if (store.space === 'v2') return <p class="muted detail-pad">The v2 API keeps no older values. What a key was before can't be had from it.</p>;

	const last = versions.at(-1);
	return (
		<div class="history">
			<div class="history-list scroll-x">
				<table class="table">
					<thead>
						<tr>
							<th>Revision</th>
							<th class="number">Version</th>
							<th class="number">Size</th>
							<th>Lease</th>
						</tr>
					</thead>
					<tbody>
						{versions.map((v) => (
							<tr key={v.revision} class={v.revision === picked?.revision ? 'picked' : ''}>
								<td>
									<button type="button" class="history-pick" aria-pressed={v.revision === picked?.revision} onClick={() => setPicked(v)}>
										{count(v.revision)}
									</button>
									{v.revision === newest && <span class="muted"> now</span>}
								</td>
								<td class="number">{count(v.version)}</td>
								<td class="number">{size(v.size)}</td>
								<td class="data">{v.lease === '0' ? <span class="muted">none</span> : leaseHex(v.lease)}</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
			<div class="history-more">
				{busy && (
					<>
						<Busy>Walking back…</Busy>
						<Button
							small
							onClick={() => {
								walking.current?.abort();
								setBusy(false);
							}}
						>
							Stop
						</Button>
					</>
				)}
				{!busy && last && !end && !failure && (
					<Button small onClick={() => void go(last.revision - 1, versions)}>
						Older
					</Button>
				)}
				{!busy && end === 'created' && last && <span class="muted">Created at revision {count(last.created)}. An earlier key of the same name, if there was one, is not shown.</span>}
				{!busy && end === 'compacted' && <span class="muted">etcd has been compacted: what is older is gone.</span>}
				{failure && <Problem failure={failure} retry={() => void go(last ? last.revision - 1 : (newest ?? 0), versions)} />}
				{!now && <AsOf busy={busy} last={lastSeen(editing)} onGo={(revision) => void go(revision, [])} />}
			</div>
			{picked && <Picked key={picked.revision} editing={editing} past={picked} older={after(versions, picked)} />}
			{!picked && versions.length > 0 && <p class="muted detail-pad">Pick a revision to see what it was.</p>}
		</div>
	);
}

/** The version before that one, if it is known. */
function after(versions: readonly Past[], past: Past): Past | undefined {
	const i = versions.findIndex((v) => v.revision === past.revision);
	return i < 0 ? undefined : versions[i + 1];
}

/** The revision that the key had when it was last there, as far as is known; 0 if it is not. */
function lastSeen(editing: Editing): number {
	const { stage } = editing.edit.value;
	return stage.is === 'missing' ? (stage.last ?? 0) : 0;
}

function AsOf({ busy, last, onGo }: { busy: boolean; last: number; onGo: (revision: number) => void }) {
	const [text, setText] = useState(last > 0 ? String(last) : '');
	const revision = /^[1-9]\d*$/.test(text.trim()) ? Number(text) : undefined;
	return (
		<form
			class="history-as-of"
			onSubmit={(event) => {
				event.preventDefault();
				if (revision) onGo(revision);
			}}
		>
			<label class="field">
				<span>The key is not there now. Look as of revision</span>
				<input class="input data" inputMode="numeric" value={text} onInput={(event) => setText(event.currentTarget.value)} />
			</label>
			<Button type="submit" disabled={busy || revision === undefined}>
				Look
			</Button>
		</form>
	);
}

function Picked({ editing, past, older }: { editing: Editing; past: Past; older: Past | undefined }) {
	const { store } = editing;
	const { stage } = editing.edit.value;
	const now = current(editing.edit.value);
	const [against, setAgainst] = useState<'now' | 'before'>('now');
	const [value, setValue] = useState<Bytes>();
	const [before, setBefore] = useState<Bytes>();
	const [failure, setFailure] = useState<Failure>();
	const [tries, setTries] = useState(0);
	const showNow = against === 'now' && now !== undefined;
	useEffect(() => {
		const leaving = new AbortController();
		setFailure(undefined);
		const get = async (): Promise<void> => {
			setValue(await valueOf(store.name, past, leaving.signal));
			if (!showNow && older) setBefore(await valueOf(store.name, older, leaving.signal));
		};
		get().catch((thrown: unknown) => {
			if (!isAbort(thrown)) setFailure(asFailure(thrown));
		});
		return () => leaving.abort();
	}, [past, showNow, older, tries]);

	const still = stage.is === 'clean' || stage.is === 'missing';
	const same = now !== undefined && now.value === value;
	const why = settings.readOnly ? 'This dashboard is for reading only' : !still ? 'Save or discard what you have edited first' : same ? 'It is the value that the key has now' : undefined;
	const restore = async (): Promise<void> => {
		if (value === undefined) return;
		const base = now; // whatever comes while the user is asked
		const yes = await confirm({
			title: `Restore revision ${past.revision}`,
			body: now
				? `${label(store.name)} gets the value that it had at revision ${past.revision} again, as a new version.${now.lease !== '0' ? ' It stays on the lease that it is on.' : ''} If somebody changes it meanwhile, nothing is written.`
				: `${label(store.name)} is created again, with the value that it had at revision ${past.revision} and without a lease.`,
			action: 'Restore',
		});
		if (yes) await editing.restore(value, base);
	};
	const [a, b, labels]: [Bytes | undefined, Bytes | undefined, [string, string]] =
		showNow
			? [value, now.value, [`revision ${past.revision}`, 'now']]
			: [older ? before : ('' as Bytes), value, [older ? `revision ${older.revision}` : 'nothing', `revision ${past.revision}`]];
	return (
		<section class="history-picked" aria-label={`Revision ${past.revision}`}>
			<div class="history-tools">
				<strong>Revision {count(past.revision)}</strong>
				<select class="input small" aria-label="Compare with" value={against} onChange={(event) => setAgainst(event.currentTarget.value === 'now' ? 'now' : 'before')}>
					<option value="now">compared with now</option>
					<option value="before">compared with the one before</option>
				</select>
				<Button small disabled={why !== undefined || value === undefined} title={why} onClick={() => void restore()}>
					Restore
				</Button>
			</div>
			{failure && <Problem failure={failure} retry={() => setTries(tries + 1)} />}
			{a !== undefined && b !== undefined ? <Comparison unified a={a} b={b} labels={labels} /> : !failure && <Busy />}
		</section>
	);
}
