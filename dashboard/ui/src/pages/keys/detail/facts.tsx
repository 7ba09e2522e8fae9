// A key's facts, in one dense line.

import { useEffect, useState } from 'preact/hooks';
import { fromText } from '../../../api/bytes.ts';
import { isAbort } from '../../../api/failure.ts';
import { lease as askLease, leaseHex } from '../../../api/v3.ts';
import { now as clock } from '../../../live/clock.ts';
import { href } from '../../../router.ts';
import { count, size, Ttl } from '../../../ui/parts.tsx';
import type { Version } from './edit.ts';
import type { Space } from './store.ts';

export function Facts({ space, version: v }: { space: Space; version: Version }) {
	const v3 = space === 'v3';
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
				<dd>{v3 ? v.lease === '0' ? 'none' : <Leased id={v.lease} revision={v.revision} /> : v.deadline === undefined ? 'none' : <Ttl deadline={v.deadline} />}</dd>
			</div>
		</dl>
	);
}

/** A lease, and what is left of it: asked for once, and again when its time should be over. */
function Leased({ id, revision }: { id: string; revision: number }) {
	const [time, setTime] = useState<{ deadline: number; of: number }>();
	const [asked, setAsked] = useState(0);
	useEffect(() => {
		const leaving = new AbortController();
		askLease(id, leaving.signal, { keys: false }).then(
			({ ttl, granted }) => setTime(ttl < 0 ? undefined : { deadline: Date.now() + ttl * 1000, of: granted }),
			(thrown: unknown) => {
				if (!isAbort(thrown)) setTime(undefined);
			},
		);
		return () => leaving.abort();
	}, [id, revision, asked]);
	// Whoever keeps it alive has renewed it, or the key goes in a moment.
	const over = time !== undefined && clock.value > time.deadline + 1000;
	useEffect(() => {
		if (over) setAsked((n) => n + 1);
	}, [over]);
	const hex = leaseHex(id);
	return (
		<>
			<a class="data" href={href('leases', { id: fromText(hex) })}>
				{hex}
			</a>
			{time && <Ttl deadline={time.deadline} of={time.of} />}
		</>
	);
}
