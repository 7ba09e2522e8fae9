// The fields for how long a key is to stay.

import { useEffect, useId, useState } from 'preact/hooks';
import { leaseHex, leaseID, leases } from '../../../../api/v3.ts';
import type { Space } from '../../../../settings.ts';
import type { Time } from './change.ts';

/** What stands in the fields. */
export interface Choice {
	kind: Time['kind'];
	seconds: string;
	hex: string;
}

export function startChoice(lease = '0'): Choice {
	return { kind: lease === '0' ? 'none' : 'lease', seconds: '60', hex: lease === '0' ? '' : leaseHex(lease) };
}

/** What the fields say; undefined while that is nothing. */
export function timeOf({ kind, seconds, hex }: Choice): Time | undefined {
	if (kind === 'none') return { kind };
	if (kind === 'ttl') return /^[1-9]\d{0,9}$/.test(seconds.trim()) ? { kind, seconds: Number(seconds) } : undefined;
	const id = leaseID(hex.trim());
	return id === undefined || id === '0' ? undefined : { kind, id };
}

export function TimeFields({ space, choice, onChange }: { space: Space; choice: Choice; onChange: (choice: Choice) => void }) {
	const name = useId();
	const [known, setKnown] = useState<string[]>([]);
	const list = `${name}-leases`;
	useEffect(() => {
		if (choice.kind !== 'lease') return;
		const leaving = new AbortController();
		// They are an offer only: without them, an ID can be typed.
		leases(leaving.signal).then((ids) => setKnown(ids.slice(0, 100)), () => undefined);
		return () => leaving.abort();
	}, [choice.kind]);

	const radio = (kind: Time['kind'], label: string) => (
		<label class="time-choice">
			<input type="radio" name={name} checked={choice.kind === kind} onChange={() => onChange({ ...choice, kind })} />
			{label}
		</label>
	);
	const wrong = choice.kind !== 'none' && timeOf(choice) === undefined;
	return (
		<fieldset class="time-fields">
			<legend>How long it stays</legend>
			{radio('none', 'Until it is deleted')}
			{radio('ttl', space === 'v3' ? 'For so many seconds, on a new lease' : 'For so many seconds')}
			{choice.kind === 'ttl' && (
				<label class="field">
					<span>Seconds</span>
					<input
						class="input data"
						inputMode="numeric"
						value={choice.seconds}
						aria-invalid={wrong}
						onInput={(event) => onChange({ ...choice, seconds: event.currentTarget.value })}
					/>
					{wrong && <small class="wrong">A whole number of seconds, at least 1</small>}
				</label>
			)}
			{space === 'v3' && radio('lease', 'On a lease that exists')}
			{choice.kind === 'lease' && (
				<label class="field">
					<span>Lease, in hexadecimal digits</span>
					<input class="input data" list={list} value={choice.hex} spellcheck={false} autocomplete="off" aria-invalid={wrong && choice.hex !== ''} onInput={(event) => onChange({ ...choice, hex: event.currentTarget.value })} />
					<datalist id={list}>
						{known.map((id) => (
							<option key={id} value={leaseHex(id)} />
						))}
					</datalist>
					{wrong && choice.hex !== '' && <small class="wrong">Up to 16 hexadecimal digits, as etcdctl lease list shows them</small>}
				</label>
			)}
		</fieldset>
	);
}
