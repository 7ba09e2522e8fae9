// Since when the gateway's locks are held. Its API does not tell, but with the v3 API it
// is in what the gateway writes into etcd (README, "What is in etcd"): a line of
// JSON, and then the holder's value.

import { type Bytes, prefixEnd, successor } from './bytes.ts';
import { TooLong } from './http.ts';
import type { Module } from './modules.ts';
import { partOf } from './own.ts';
import { range } from './v3.ts';

const atATime = 200;
const atMost = 5_000;
const maxBytes = 900_000;

/**
 * When each hold began, in milliseconds since 1970 by the clock of the gateway that
 * granted it, by its index. Of very many entries only the first are read.
 */
export async function beginnings(module: Module, signal?: AbortSignal): Promise<Map<number, number>> {
	const found = new Map<number, number>();
	let key: Bytes = partOf(module);
	const end = prefixEnd(key);
	let limit = atATime;
	for (let seen = 0; seen < atMost; ) {
		try {
			const { kvs, more } = await range({ key, end, limit, maxBytes, quiet: true }, signal);
			for (const kv of kvs) {
				const since = beginning(kv.value);
				if (since !== undefined) found.set(kv.createRevision, since);
			}
			const last = kvs.at(-1);
			if (!more || !last) break;
			seen += kvs.length;
			key = successor(last.key);
		} catch (thrown) {
			if (!(thrown instanceof TooLong) || limit === 1) throw thrown;
			limit = Math.ceil(limit / 4); // values may be long
		}
	}
	return found;
}

/** When the hold of an entry began, if it is one. */
export function beginning(entry: Bytes): number | undefined {
	const line = entry.slice(0, entry.indexOf('\n'));
	try {
		const { state, since } = JSON.parse(line) as { state?: unknown; since?: unknown };
		return state === 'held' && typeof since === 'number' ? since * 1000 : undefined;
	} catch {
		return undefined; // somebody else's
	}
}

/** What an entry of the gateway's says: whether it holds, and its value ('-' without one is not told apart). */
export function record(entry: Bytes): { held: boolean; value: Bytes } | undefined {
	const end = entry.indexOf('\n');
	if (end < 0) return undefined;
	try {
		const { state } = JSON.parse(entry.slice(0, end)) as { state?: unknown };
		return { held: state === 'held', value: entry.slice(end + 1) as Bytes };
	} catch {
		return undefined; // somebody else's
	}
}
