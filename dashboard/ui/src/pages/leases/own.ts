// What the gateway's own keys mean to people: its locks, its elections, itself.

import { type Bytes, toText } from '../../api/bytes.ts';
import { own } from '../../api/own.ts';
import { record } from '../../api/records.ts';
import { get } from '../../api/v3.ts';
import { href, parameter } from '../../router.ts';
import { label } from '../../ui/text.tsx';

export type Own =
	| { kind: 'lock' | 'leader'; name: string }
	| { kind: 'gateway' }
	| { kind: 'mark' }; // that a lease is used for a hold, or a request was cancelled

/** What a key of the gateway's is; undefined if it is somebody else's. */
export function ownKey(key: Bytes): Own | undefined {
	const found = own('v3', key);
	if (!found) return undefined;
	const kind = found.part;
	const [name = ''] = found.rest.split('/');
	if (kind === 'gateway') return { kind };
	if (kind !== 'lock' && kind !== 'leader') return { kind: 'mark' };
	try {
		return { kind, name: decodeURIComponent(toText(name as Bytes) ?? '') };
	} catch {
		return { kind, name: label(name as Bytes) };
	}
}

export function ownLink(own: Own): string | undefined {
	if (own.kind !== 'lock' && own.kind !== 'leader') return undefined;
	return href(own.kind === 'lock' ? 'locks' : 'elections', { name: parameter(own.name) });
}

/** Who has the place that a key of the gateway's stands for: 'held by bar'. */
export async function whose(key: Bytes, own: Own, signal: AbortSignal): Promise<string | undefined> {
	const { kv } = await get(key, { maxBytes: 200_000 }, signal);
	const entry = kv && record(kv.value);
	if (!entry) return undefined;
	const value = label(entry.value.slice(0, 80) as Bytes) || 'one without a value';
	const held = own.kind === 'lock' ? 'held' : 'led';
	return entry.held ? `${held} by ${value}` : `${value} waits`;
}

/** What hangs on a lease, in words, where that is the gateway's. */
export function meaning(keys: readonly Bytes[]): string | undefined {
	const owns = keys.map(ownKey);
	const places = owns.filter((own) => own?.kind === 'lock' || own?.kind === 'leader').length;
	if (owns.some((own) => own?.kind === 'gateway')) return `a gateway, and ${places === 0 ? 'nobody' : places} who wait${places === 1 ? 's' : ''} through it`;
	return undefined;
}
