// Asks what a key's time is to hang on, and changes that.

import { useState } from 'preact/hooks';
import { asFailure, Failure } from '../../../../api/failure.ts';
import { leaseHex } from '../../../../api/v3.ts';
import { Dialog } from '../../../../ui/dialog.tsx';
import { Button, Problem } from '../../../../ui/parts.tsx';
import { current } from '../edit.ts';
import type { Editing } from '../editing.ts';
import { writeV2 } from '../store-v2.ts';
import { setLease } from '../store-v3.ts';
import { isDone, type Time, withLease } from './change.ts';
import { startChoice, TimeFields, timeOf } from './time-fields.tsx';

export function LeaseDialog({ editing, onClose }: { editing: Editing; onClose: () => void }) {
	const { store } = editing;
	const now = current(editing.edit.value);
	const [choice, setChoice] = useState(() => startChoice(now?.lease));
	const [failure, setFailure] = useState<Failure>();
	const [busy, setBusy] = useState(false);
	const time = timeOf(choice);

	const change = async (wanted: Time): Promise<void> => {
		const base = now;
		if (!base) return;
		setBusy(true);
		setFailure(undefined);
		try {
			const done = await editing.alter(() =>
				store.space === 'v3'
					? withLease(wanted, (lease) => setLease(store.name, base, lease))
					: writeV2(store.name, base, base.value, wanted.kind === 'ttl' ? wanted.seconds : undefined),
			);
			if (!done) throw new Failure('conflict', 'it is at another revision than the one that is shown');
			editing.note(wanted.kind === 'none' ? 'The key stays now until it is deleted' : wanted.kind === 'ttl' ? `The key has ${wanted.seconds} seconds now` : `The key is on lease ${leaseHex(wanted.id)} now`);
			onClose();
		} catch (thrown) {
			const why = asFailure(thrown);
			setBusy(false);
			if (why.kind === 'unknown') {
				const seen = await store.read().catch(() => undefined);
				if (seen) {
					editing.tell(seen);
					if (isDone(wanted, base, base.value, seen.now)) {
						editing.note('The answer was late, but it was done');
						onClose();
						return;
					}
				}
			}
			setFailure(why);
		}
	};

	return (
		<Dialog title={store.space === 'v3' ? 'Lease of this key' : 'TTL of this key'} onClose={onClose}>
			<form
				class="time-form"
				onSubmit={(event) => {
					event.preventDefault();
					if (time) void change(time);
				}}
			>
				<TimeFields space={store.space} choice={choice} onChange={setChoice} />
				{store.space === 'v3' && now?.lease !== '0' && choice.kind !== 'lease' && <p>The lease that it is on now stays as it is, with its other keys.</p>}
				<p>The value stays as it is.</p>
				{failure && <Problem failure={failure} />}
				<div class="buttons">
					<Button onClick={onClose}>Cancel</Button>
					<Button type="submit" kind="primary" disabled={busy || !time || !now}>
						{choice.kind === 'none' ? 'Keep it for good' : choice.kind === 'ttl' ? 'Set the TTL' : 'Put it on this lease'}
					</Button>
				</div>
			</form>
		</Dialog>
	);
}
