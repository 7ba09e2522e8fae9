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

/** How a hold began. */
export interface Beginning {
	/** In milliseconds since 1970, by the clock of the gateway that granted it. */
	at: number;
	/** The seconds that it was granted for. */
	ttl: number;
}

/** How each hold began, by its index. Of very many entries only the first are read. */
export async function beginnings(module: Module, signal?: AbortSignal): Promise<Map<number, Beginning>> {
	const found = new Map<number, Beginning>();
	let key: Bytes = partOf(module);
	const end = prefixEnd(key);
	let limit = atATime;
	for (let seen = 0; seen < atMost; ) {
		try {
			const { kvs, more } = await range({ key, end, limit, maxBytes, quiet: true }, signal);
			for (const kv of kvs) {
				const began = beginning(kv.value);
				if (began) found.set(kv.createRevision, began);
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

/** How the hold of an entry began, if it is one and says so. */
export function beginning(entry: Bytes): Beginning | undefined {
	const line = entry.slice(0, entry.indexOf('\n'));
	try {
		const { state, since, ttl } = JSON.parse(line) as { state?: unknown; since?: unknown; ttl?: unknown };
		return state === 'held' && typeof since === 'number' && typeof ttl === 'number' ? { at: since * 1000, ttl } : undefined;
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
