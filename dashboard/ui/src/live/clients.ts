// The locks and elections that etcd's own clients make, as they are now. etcd has no
// list of them: they are keys named by their own lease, PREFIX/LEASE in hexadecimal
// digits, and the one that was created first has it. So all keys are looked at
// once, without their values, and then watched.

import { type ReadonlySignal, signal } from '@preact/signals';
import { type Bytes, prefixEnd, successor } from '../api/bytes.ts';
import { Failure } from '../api/failure.ts';
import { TooLong } from '../api/http.ts';
import { user } from '../api/session.ts';
import { own } from '../api/own.ts';
import { get, type KeyValue, leases, range } from '../api/v3.ts';
import { type Change, watch } from '../api/watch.ts';
import { keep, type Stream } from './stream.ts';

export interface ClientEntry {
	key: Bytes;
	/** Decimal digits. */
	lease: string;
	createRevision: number;
	/** A candidate's proposal; undefined if it is too long to be shown. */
	value: Bytes | undefined;
}

/** A lock, or an election if its entries have values. */
export interface ClientQueue {
	prefix: Bytes;
	/** The first has it. */
	entries: readonly ClientEntry[];
	election: boolean;
}

export interface Clients {
	/** In the prefixes' order. */
	readonly queues: ReadonlySignal<readonly ClientQueue[]>;
	/** How many keys there are to be looked at, and how many have been; undefined when all have been. */
	readonly progress: ReadonlySignal<{ seen: number; of: number } | undefined>;
	/** There are so many keys that the user is asked first. */
	readonly asks: ReadonlySignal<number | undefined>;
	agree(): void;
	readonly stream: Stream;
}

/** From so many keys on, the user is asked before all of them are looked at. */
export const many = 20_000;

const maxBytes = 900_000;
const most = 4_000; // keys at a time
const longestValue = 65_536;

/** The prefix of a key that one of etcd's own clients may have made for a lock or an election. */
export function clientsPrefix({ key, lease }: Pick<KeyValue, 'key' | 'lease'>): Bytes | undefined {
	return lease !== '0' && key.includes('/') && lastOf(key) === digits(lease) ? prefixOf(key) : undefined;
}

/** A lease's ID as those clients write it. */
const digits = (lease: string): string => BigInt.asUintN(64, BigInt(lease)).toString(16);

const prefixOf = (key: Bytes): Bytes => key.slice(0, key.lastIndexOf('/')) as Bytes;
const lastOf = (key: Bytes): string => key.slice(key.lastIndexOf('/') + 1);

/** The entries by their prefixes, each queue in its order. */
export function grouped(entries: Iterable<ClientEntry>): ClientQueue[] {
	const byPrefix = new Map<Bytes, ClientEntry[]>();
	for (const entry of entries) {
		const prefix = prefixOf(entry.key);
		const queue = byPrefix.get(prefix);
		if (queue) queue.push(entry);
		else byPrefix.set(prefix, [entry]);
	}
	return [...byPrefix]
		.map(([prefix, all]) => ({
			prefix,
			entries: all.sort((a, b) => a.createRevision - b.createRevision),
			election: all.some((e) => e.value !== ''),
		}))
		.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

/** Follows those whose keys begin with a prefix until the stream is stopped. */
export function followClients(below: Bytes): Clients {
	const queues = signal<readonly ClientQueue[]>([]);
	const progress = signal<{ seen: number; of: number } | undefined>({ seen: 0, of: 0 });
	const asks = signal<number | undefined>(undefined);
	const entries = new Map<Bytes, ClientEntry>();
	const end = below === '' ? ('\0' as Bytes) : prefixEnd(below);
	let agreed = false;
	let drawing: ReturnType<typeof setTimeout> | undefined;
	// Where to go on: at this key as of this revision, or, when all have been looked at, with the changes after it.
	let next: Bytes | undefined = below;
	let revision = 0;
	let seen = 0;
	/** Who reads: another one may see other keys. */
	let reader = user.peek();

	const draw = (): void => {
		drawing ??= setTimeout(() => {
			drawing = undefined;
			queues.value = grouped(entries.values());
		}, 30);
	};

	const begin = (): void => {
		next = below;
		revision = seen = 0;
		entries.clear();
	};

	const ours = (kv: KeyValue): boolean => !own('v3', kv.key) && clientsPrefix(kv) !== undefined;

	/** Looks at all keys. Returns false if the user has to be asked first. */
	async function look(signal: AbortSignal): Promise<boolean> {
		const { count } = await range({ key: below, end, countOnly: true }, signal);
		if (count >= many && !agreed) {
			asks.value = count;
			return false;
		}
		asks.value = undefined;
		let limit = 1000;
		// etcd 3.7 does not tell the leases of keys without their values, so these are
		// listed: after the first keys, when all are known that those hang on.
		let known: Set<string> | undefined;
		while (next !== undefined) {
			progress.value = { seen, of: Math.max(count, seen) };
			try {
				const found: Awaited<ReturnType<typeof range>> = await range({ key: next, end, keysOnly: true, limit, revision, maxBytes }, signal);
				revision ||= found.revision;
				known ??= new Set((await leases(signal)).map(digits));
				const some = found.kvs.filter(({ key }) => key.includes('/') && known?.has(lastOf(key)));
				for (const kv of await whole(some, revision, signal)) {
					if (ours(kv)) entries.set(kv.key, entryOf(kv));
				}
				if (some.length > 0) draw();
				seen += found.kvs.length;
				const last = found.kvs.at(-1);
				next = found.more && last ? successor(last.key) : undefined;
				if (found.bytes < maxBytes / 3) limit = Math.min(limit * 2, most);
			} catch (thrown) {
				if (!(thrown instanceof TooLong) || limit === 1) throw thrown;
				limit = Math.ceil(limit / 4);
			}
		}
		return true;
	}

	function apply({ deleted, kv }: Change): void {
		if (deleted) {
			if (entries.delete(kv.key)) draw();
		} else if (ours(kv)) {
			entries.set(kv.key, entryOf(kv));
			draw();
		} else if (entries.delete(kv.key)) {
			draw(); // it has another lease now
		}
	}

	const stream = keep(async ({ live, signal }) => {
		if (reader !== user.peek()) {
			reader = user.peek();
			begin();
			queues.value = [];
			progress.value = { seen: 0, of: 0 };
			asks.value = undefined;
		}
		try {
			if (next !== undefined && !(await look(signal))) {
				live();
				await new Promise((resolve) => signal.addEventListener('abort', resolve)); // until the user says so
				return;
			}
			progress.value = undefined;
			draw();
			await watch(
				{ key: below, end, from: revision + 1 },
				{
					onStart: live,
					onChanges(changes, at) {
						for (const change of changes) apply(change);
						revision = Math.max(revision, at);
					},
				},
				signal,
			);
		} catch (thrown) {
			if (thrown instanceof Failure && thrown.kind === 'compacted') begin();
			throw thrown;
		}
	});
	return {
		queues,
		progress,
		asks,
		agree() {
			agreed = true;
			asks.value = undefined;
			stream.retry();
		},
		stream: {
			...stream,
			stop() {
				clearTimeout(drawing);
				stream.stop();
			},
		},
	};
}

function entryOf(kv: KeyValue): ClientEntry {
	const { key, lease, createRevision, value } = kv;
	return { key, lease, createRevision, value: value.length > longestValue ? undefined : value };
}

/** The keys with their values and leases, which have not been asked for yet. */
async function whole(keys: readonly KeyValue[], revision: number, signal: AbortSignal): Promise<KeyValue[]> {
	const found: KeyValue[] = [];
	// Those of one prefix stand together, so they are asked for together.
	for (let from = 0; from < keys.length; ) {
		let to = from + 1;
		const first = keys[from];
		if (!first) break;
		const prefix = prefixOf(first.key);
		let last = first;
		for (let kv = keys[to]; kv && to - from < 200 && prefixOf(kv.key) === prefix; kv = keys[++to]) last = kv;
		const wanted = to - from;
		try {
			const { kvs, more } = await range({ key: first.key, end: successor(last.key), limit: wanted + 50, revision, maxBytes }, signal);
			if (more) throw new TooLong(); // others stand between them
			found.push(...kvs);
		} catch (thrown) {
			if (!(thrown instanceof TooLong)) throw thrown;
			for (const { key } of keys.slice(from, to)) {
				const kv = await one(key, revision, signal);
				if (kv) found.push(kv);
			}
		}
		from = to;
	}
	return found;
}

async function one(key: Bytes, revision: number, signal: AbortSignal): Promise<KeyValue | undefined> {
	try {
		return (await get(key, { revision, maxBytes: 1_000_000 }, signal)).kv;
	} catch (thrown) {
		if (thrown instanceof TooLong) return undefined; // no name of a candidate is that long
		throw thrown;
	}
}
