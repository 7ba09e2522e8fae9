// A key's facts, in one dense line.

import { useEffect, useState } from 'preact/hooks';
import { fromText } from '../../../api/bytes.ts';
import { lease as askLease, leaseHex } from '../../../api/v3.ts';
import { now as clock } from '../../../live/clock.ts';
import { href } from '../../../router.ts';
import { count, duration, size, Ttl } from '../../../ui/parts.tsx';
import type { Version } from './edit.ts';
import type { Store } from './store.ts';
import { onTheClock } from './store-v2.ts';

export function Facts({ store, version: v }: { store: Store; version: Version }) {
	const v3 = store.space === 'v3';
	return (
		<dl class="facts">
			<div title={v3 ? 'The revision at which it was last written' : 'The index at which it was last written'}>
				<dt>{v3 ? 'revision' : 'index'}</dt>
				<dd class="key-revision">{count(v.revision)}</dd>
			</div>
			<div title={v3 ? 'The revision at which it was created' : 'The index at which it was created'}>
				<dt>created</dt>
				<dd>{count(v.created)}</dd>
			</div>
			{v3 && (
				<div title="How often it has been written since it was created">
					<dt>version</dt>
					<dd>{count(v.version)}</dd>
				</div>
			)}
			<div title={`${count(v.value.length)} bytes`}>
				<dt>size</dt>
				<dd>{size(v.value.length)}</dd>
			</div>
			<div>
				<dt>{v3 ? 'lease' : 'TTL'}</dt>
				<dd>{v3 ? v.lease === '0' ? 'none' : <Leased key={`${v.lease} ${v.revision}`} id={v.lease} /> : v.deadline === undefined ? 'none' : <Left key={v.revision} deadline={onTheClock(v.deadline)} again={() => again(store)} />}</dd>
			</div>
		</dl>
	);
}

/** v2: when its time is over by now; undefined if it is gone, or stays. */
async function again(store: Store): Promise<number | undefined> {
	const deadline = (await store.read()).now?.deadline;
	return deadline === undefined ? undefined : onTheClock(deadline);
}

interface Remaining {
	deadline: number;
	/** The seconds that it was granted for. */
	of: number;
}

/** A lease, and what is left of it. */
function Leased({ id }: { id: string }) {
	const [time, setTime] = useState<Remaining>();
	const ask = async (signal?: AbortSignal): Promise<Remaining | undefined> => {
		const { ttl, granted } = await askLease(id, signal, { keys: false });
		return ttl < 0 ? undefined : { deadline: Date.now() + ttl * 1000, of: granted };
	};
	useEffect(() => {
		const leaving = new AbortController();
		ask(leaving.signal).then(setTime, () => undefined);
		return () => leaving.abort();
	}, []);
	const hex = leaseHex(id);
	return (
		<>
			<a class="data" href={href('leases', { id: fromText(hex) })}>
				{hex}
			</a>
			{time && <Left deadline={time.deadline} of={time.of} again={async () => (await ask())?.deadline} />}
		</>
	);
}

/**
 * Seconds that are left. If they are over and it is still there, somebody keeps it alive, which
 * nothing tells of: then that is said, and not asked again and again.
 */
function Left({ deadline, of, again: ask }: { deadline: number; of?: number; again: () => Promise<number | undefined> }) {
	const [kept, setKept] = useState(false);
	const over = !kept && clock.value > deadline + 1000;
	useEffect(() => {
		if (over) ask().then((later) => setKept(later !== undefined && later > deadline + 1000), () => undefined);
	}, [over]);
	if (!kept) return <Ttl deadline={deadline} of={of} />;
	return <span title="Its time was over, and is not: whoever it belongs to renews it">{of ? `${duration(of)}, kept alive` : 'kept alive'}</span>;
}
