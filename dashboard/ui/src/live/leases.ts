// All leases. etcd tells of none by itself: which there are, and what is left of one, it
// says when it is asked. Keys that come to a lease, or go, it tells through a watch.

import { type ReadonlySignal, signal } from '@preact/signals';
import type { Bytes } from '../api/bytes.ts';
import { asFailure, type Failure } from '../api/failure.ts';
import { user } from '../api/session.ts';
import { type Lease, lease, leases } from '../api/v3.ts';
import { type Change, watch } from '../api/watch.ts';
import { jumps } from './clock.ts';
import { keep, type Stream } from './stream.ts';

/** What is known of a lease. */
export interface LeaseRow {
	id: string;
	/** Undefined until etcd has been asked. */
	known:
		| {
				granted: number;
				deadline: number;
				keys: readonly Bytes[];
				tooMany: boolean;
				/** When etcd was asked. */
				asked: number;
				/** How often its time was over, and it had been kept alive. */
				kept: number;
		  }
		| undefined;
}

export interface Leases {
	/** In the order of their IDs; undefined until etcd has been asked. */
	readonly rows: ReadonlySignal<readonly LeaseRow[] | undefined>;
	/** When etcd was asked which there are. */
	readonly listed: ReadonlySignal<number>;
	readonly failure: ReadonlySignal<Failure | undefined>;
	/** How many are still to be asked for. */
	readonly asking: ReadonlySignal<number>;
	/** These are seen, the first in particular, if one is open: what is not known of them, or is old, is asked. What was wanted before is not any more. */
	want(ids: readonly string[]): void;
	/** Asks for everything anew. */
	refresh(): void;
	/** This one has gone. */
	forget(id: string): void;
	readonly stream: Stream;
}

const atATime = 4;
const fresh = 60_000;
const maxBytes = 1_000_000;

/** The order of unsigned numbers. */
function ordered(ids: Iterable<string>): string[] {
	return [...ids].sort((a, b) => {
		const difference = BigInt.asUintN(64, BigInt(a)) - BigInt.asUintN(64, BigInt(b));
		return difference < 0n ? -1 : difference > 0n ? 1 : 0;
	});
}

/** Follows all leases until the stream is stopped. */
export function followLeases(): Leases {
	const rows = signal<readonly LeaseRow[] | undefined>(undefined);
	const listed = signal(0);
	const failure = signal<Failure | undefined>(undefined);
	const asking = signal(0);
	const byID = new Map<string, LeaseRow>();
	/** The lease of each key that is known. */
	const leaseOf = new Map<Bytes, string>();
	let order: string[] | undefined;
	let wanted: readonly string[] = [];
	let queue: string[] = [];
	const running = new Map<string, AbortController>();
	/** What is asked for may have changed before the answer comes. */
	const again = new Set<string>();
	let drawing: ReturnType<typeof setTimeout> | undefined;
	let ending: ReturnType<typeof setTimeout> | undefined;
	let stopped = false;
	let listing: AbortController | undefined;
	/** The watch has told up to there; 0: it has to begin anew. */
	let revision = 0;

	const draw = (): void => {
		drawing ??= setTimeout(() => {
			drawing = undefined;
			order ??= ordered(byID.keys());
			if (listed.peek() > 0) rows.value = order.flatMap((id) => byID.get(id) ?? []);
			asking.value = queue.length + running.size;
			awaitEnds();
		}, 30);
	};

	const forget = (id: string): void => {
		for (const key of byID.get(id)?.known?.keys ?? []) leaseOf.delete(key);
		if (byID.delete(id)) order = undefined;
		draw();
	};

	const take = (found: Lease): void => {
		if (found.ttl < 0) return forget(found.id);
		const asked = Date.now();
		const before = byID.get(found.id)?.known;
		const kept = (before?.kept ?? 0) + (before && before.asked > 0 && before.deadline < asked ? 1 : 0);
		for (const key of before?.keys ?? []) leaseOf.delete(key);
		for (const key of found.keys) leaseOf.set(key, found.id);
		if (!byID.has(found.id)) order = undefined;
		const { granted, keys, tooMany } = found;
		// The seconds that are left are told as whole ones, cut off: between is the truth.
		byID.set(found.id, { id: found.id, known: { granted, deadline: asked + found.ttl * 1000 + 500, keys, tooMany, asked, kept } });
		draw();
	};

	const next = (): void => {
		while (!stopped && running.size < atATime) {
			const id = queue.shift();
			if (id === undefined) return;
			if (running.has(id)) continue;
			const control = new AbortController();
			running.set(id, control);
			lease(id, control.signal, { maxBytes })
				.then(take)
				.catch((thrown: unknown) => {
					if (control.signal.aborted) return;
					failure.value = asFailure(thrown);
					queue = [];
				})
				.finally(() => {
					running.delete(id);
					if (again.delete(id) && !control.signal.aborted && !failure.peek()) queue.push(id);
					draw();
					next();
				});
		}
	};

	const ask = (id: string): void => {
		if (running.has(id)) again.add(id);
		else if (!queue.includes(id)) queue.push(id);
		next();
	};

	const isOld = (id: string): boolean => {
		const known = byID.get(id)?.known;
		return !known || Date.now() - known.asked > fresh || known.deadline < Date.now();
	};

	/**
	 * When a time that is seen is over, and there is no key whose end the watch would
	 * tell, or it is the one that is open, it is looked at whether it has been kept alive:
	 * twice, and then it is.
	 */
	function awaitEnds(): void {
		clearTimeout(ending);
		if (stopped || failure.peek()) return;
		const ends = (id: string): number => {
			const known = byID.get(id)?.known;
			if (!known || known.kept > 1 || (known.keys.length > 0 && id !== wanted[0])) return Number.POSITIVE_INFINITY;
			return Math.max(known.deadline + 1_000, known.asked + 2_000);
		};
		const first = wanted.reduce((least, id) => Math.min(least, ends(id)), Number.POSITIVE_INFINITY);
		if (first === Number.POSITIVE_INFINITY) return;
		ending = setTimeout(
			() => {
				const now = Date.now();
				for (const id of wanted) if (ends(id) <= now) ask(id);
				awaitEnds();
			},
			Math.min(Math.max(first - Date.now(), 50), 2 ** 31 - 1),
		);
	}

	async function list(): Promise<void> {
		listing?.abort();
		const control = (listing = new AbortController());
		try {
			const ids = new Set(await leases(control.signal));
			for (const id of byID.keys()) if (!ids.has(id)) forget(id);
			for (const id of ids) if (!byID.has(id)) byID.set(id, { id, known: undefined });
			order = undefined;
			failure.value = undefined;
			listed.value = Date.now();
			draw();
			want(wanted);
		} catch (thrown) {
			if (!control.signal.aborted) failure.value = asFailure(thrown);
		}
	}

	function want(ids: readonly string[]): void {
		wanted = ids;
		const seen = new Set(ids);
		again.clear();
		for (const [id, control] of running) if (!seen.has(id)) control.abort();
		queue = ids.filter((id) => byID.has(id) && !running.has(id) && isOld(id));
		next();
		draw();
	}

	function apply({ deleted, kv }: Change): void {
		const before = leaseOf.get(kv.key);
		const now = deleted || kv.lease === '0' ? undefined : kv.lease;
		if (before !== undefined && before !== now) {
			leaseOf.delete(kv.key);
			const row = byID.get(before);
			const keys = row?.known?.keys.filter((key) => key !== kv.key) ?? [];
			if (row?.known) byID.set(before, { id: before, known: { ...row.known, keys } });
			draw();
			// All of its keys go when it ends.
			if (row?.known && keys.length === 0 && !row.known.tooMany) ask(before);
		}
		if (now === undefined || before === now) return;
		const row = byID.get(now);
		if (!row) {
			byID.set(now, { id: now, known: undefined });
			order = undefined;
		} else if (row.known && !row.known.tooMany) {
			leaseOf.set(kv.key, now);
			byID.set(now, { id: now, known: { ...row.known, keys: [...row.known.keys, kv.key].sort() } });
		}
		draw();
		// It has been used just now, perhaps after it has been prolonged.
		if (wanted.includes(now) && Date.now() - (row?.known?.asked ?? 0) > 1_000) ask(now);
	}

	const all = '\0' as Bytes;
	let reader = user.peek();
	let jumped = jumps.peek();
	const stream = keep(async ({ live, signal }) => {
		if (reader !== user.peek()) {
			// Another one may see other keys.
			reader = user.peek();
			byID.clear();
			leaseOf.clear();
			order = rows.value = undefined;
			listed.value = revision = 0;
		}
		if (jumped !== jumps.peek()) {
			jumped = jumps.peek();
			doubt();
		}
		// Without a first revision it begins with now, and what there is then is listed.
		await watch(
			{ key: all, end: all, from: revision ? revision + 1 : 0 },
			{
				onStart(at) {
					live();
					if (revision === 0) {
						revision = at;
						doubt();
					}
					void list();
				},
				onChanges(changes, at) {
					for (const change of changes) apply(change);
					revision = Math.max(revision, at);
				},
			},
			signal,
		).catch((thrown: unknown) => {
			if (asFailure(thrown).kind === 'compacted') revision = 0;
			throw thrown;
		});
	});

	/** What is known may be so no more: what is seen is asked for again, the rest when it is seen. */
	function doubt(): void {
		const seen = new Set(wanted);
		for (const [id, { known }] of byID) {
			if (!known) continue;
			if (!seen.has(id)) for (const key of known.keys) leaseOf.delete(key);
			byID.set(id, { id, known: seen.has(id) ? { ...known, asked: 0, kept: 0 } : undefined });
		}
	}

	const refresh = (): void => {
		doubt();
		void list();
		if (stream.state.peek() !== 'live') stream.retry();
	};

	return {
		rows,
		listed,
		failure,
		asking,
		want,
		refresh,
		forget,
		stream: {
			...stream,
			stop() {
				stopped = true;
				clearTimeout(ending);
				clearTimeout(drawing);
				listing?.abort();
				for (const control of running.values()) control.abort();
				stream.stop();
			},
		},
	};
}
