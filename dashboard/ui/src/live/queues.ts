// All locks, or all elections, as they are now: the gateway's own events, applied.

import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { Failure } from '../api/failure.ts';
import { type EventName, list, listen, type Module, type ModuleEvent, type Queue, show } from '../api/modules.ts';
import { type Beginning, beginnings } from '../api/records.ts';
import { settings } from '../settings.ts';
import { keep, type Stream, watchdog } from './stream.ts';

/** When somebody began to hold a lock. */
export interface Since {
	/** In milliseconds since 1970. */
	at: number;
	/** False: that is only since when this page knows of it. */
	exact: boolean;
}

/** A lock or an election that exists, or did a moment ago. */
export interface Row extends Queue {
	/** When the holder's time is over, by this machine's clock, in milliseconds since 1970. */
	deadline: number;
	/** The seconds that the holder was given, at the grant or when it renewed; 0 if the page does not know. */
	full: number;
	since: Since | undefined;
}

/** Something that this page has seen happen; 'gone' is that somebody held it, and how that ended is not known. */
export interface Happening {
	name: Exclude<EventName, 'renewed'> | 'gone';
	at: number;
	/** It was some time from then up to at: the page was not listening. */
	from: number | undefined;
	key: string;
	index: number;
	value: string;
	id: number;
}

export interface Queues {
	/** In the names' order. */
	readonly rows: ReadonlySignal<readonly Row[]>;
	/** How everything is has come at least once. */
	readonly known: ReadonlySignal<boolean>;
	/** Changes whenever something has happened. */
	readonly happened: ReadonlySignal<number>;
	/** The last that happened to one of them, or to all, the newest first. */
	happenings(key?: string): readonly Happening[];
	row(key: string): Row | undefined;
	/** Since when this page knows anything, in milliseconds since 1970. */
	readonly began: ReadonlySignal<number>;
	readonly stream: Stream;
}

// The gateway sends something at least every 15 seconds.
const silence = 40_000;
// Events that come in one go are drawn once.
const together = 30;
// A name that somebody takes again and again keeps its row meanwhile.
const lingering = 800;
// After longer than that, it is not worth while to be told everything that has happened.
const longGap = 5 * 60_000;
// Of so many, since when they are held is looked up in etcd.
const fewEnough = 1_000;

const keptOfOne = 60;
const keptOfAll = 200;

/** What is known, also while nobody listens: a page that is come back to goes on from there. */
export class Memory {
	readonly rows = signal<readonly Row[]>([]);
	readonly known = signal(false);
	readonly happened = signal(0);
	readonly began = signal(Date.now());
	/** The last event that has been applied. */
	last: number | undefined;
	/** Since when nobody listens. */
	lost: number | undefined;

	readonly #byKey = new Map<string, Row>();
	readonly #histories = new Map<string, Happening[]>();
	#all: Happening[] = [];
	#order: string[] | undefined;
	#pending: ReturnType<typeof setTimeout> | undefined;
	#news = false;

	row(key: string): Row | undefined {
		return this.#byKey.get(key);
	}

	happenings(key?: string): readonly Happening[] {
		const some = key === undefined ? this.#all : (this.#histories.get(key) ?? []);
		return some.toReversed();
	}

	/** Takes how everything is. from is when this page last knew, if not right before. */
	reset(queues: Queue[], id: number, from: number | undefined): void {
		const at = Date.now();
		const old = new Map(this.#byKey);
		const before = this.known.peek();
		this.#byKey.clear();
		this.#order = undefined;
		for (const queue of queues) {
			if (queue.queue.length === 0) continue;
			const was = old.get(queue.key);
			old.delete(queue.key);
			const exact = before && from === undefined;
			this.#put(queue, was, at, exact);
			if (!before || was?.index === queue.index) continue;
			this.#left(was, at, from, id);
			if (queue.index) this.#add({ name: 'acquired', at, from, key: queue.key, index: queue.index, value: queue.value, id });
		}
		for (const was of old.values()) this.#left(was, at, from, id);
		if (!before) this.began.value = at;
		this.last = id;
		this.known.value = true;
		this.#draw();
	}

	/** Takes an event. from is when this page last knew, if it was not listening when this happened. */
	apply({ name, queue, entry, id }: ModuleEvent, from: number | undefined): void {
		const at = Date.now();
		const was = this.#byKey.get(queue.key);
		if (!was || queue.queue.length === 0) this.#order = undefined;
		const began = name === 'acquired' && entry?.index === queue.index && from === undefined;
		this.#put(queue, was, at, began, name === 'renewed');
		if (name !== 'renewed' && entry) this.#add({ name, at, from, key: queue.key, ...entry, id });
		this.last = id;
		this.#draw();
	}

	/** Takes how one is, which has been asked for. */
	learn(queue: Queue): void {
		const was = this.#byKey.get(queue.key);
		if (was && was.index === queue.index) return this.correct([queue]);
		if (!was) return;
		this.#put(queue, was, Date.now(), false);
		this.correct([queue]);
	}

	/** Takes what is left of the holders' times, which may have been renewed unseen. */
	correct(queues: Queue[], at = Date.now()): void {
		for (const queue of queues) {
			const row = this.#byKey.get(queue.key);
			if (!row || row.index !== queue.index || !queue.index) continue;
			const deadline = at + queue.ttl * 1000 + half;
			this.#byKey.set(queue.key, { ...row, deadline, full: row.full && Math.max(row.full, queue.ttl) });
		}
		this.#draw();
	}

	/** Takes how the holders' holds began, by their indices. */
	date(beginnings: ReadonlyMap<number, Beginning>): void {
		const now = Date.now();
		for (const row of this.#byKey.values()) {
			const began = beginnings.get(row.index);
			if (!began || row.since?.exact) continue;
			// The gateway's clock and this one's need not agree.
			this.#byKey.set(row.key, { ...row, full: row.full || began.ttl, since: { at: Math.min(began.at, now), exact: true } });
		}
		this.#draw();
	}

	/** How many there are of whose holder it is not known since when. */
	get undated(): number {
		let n = 0;
		for (const row of this.#byKey.values()) if (row.index && !row.since?.exact) n++;
		return n;
	}

	#put(queue: Queue, was: Row | undefined, at: number, began: boolean, renewed = false): void {
		if (queue.queue.length === 0 && !was) return;
		const same = was !== undefined && queue.index !== 0 && was.index === queue.index;
		const said = at + queue.ttl * 1000;
		const deadline = same && !renewed ? within(was.deadline, said) : said + (began ? 0 : half);
		this.#byKey.set(queue.key, {
			...queue,
			deadline,
			full: began || renewed ? queue.ttl : same ? was.full : 0,
			since: !queue.index ? undefined : same ? was.since : { at, exact: began },
		});
		if (queue.queue.length === 0) {
			setTimeout(() => {
				if (this.#byKey.get(queue.key)?.queue.length !== 0) return;
				this.#byKey.delete(queue.key);
				this.#order = undefined;
				this.#draw();
			}, lingering);
		}
	}

	#left(was: Row | undefined, at: number, from: number | undefined, id: number): void {
		if (was?.index) this.#add({ name: 'gone', at, from, key: was.key, index: was.index, value: was.value, id });
	}

	#add(happening: Happening): void {
		let history = this.#histories.get(happening.key);
		if (!history) this.#histories.set(happening.key, (history = []));
		// After a stream has been resumed, some may come a second time.
		if (history.some((h) => h.index === happening.index && h.name === happening.name)) return;
		history.push(happening);
		if (history.length > keptOfOne) history.shift();
		this.#all.push(happening);
		if (this.#all.length > 2 * keptOfAll) {
			this.#all = this.#all.slice(-keptOfAll);
			if (this.#histories.size > 4 * keptOfAll) this.#forget();
		}
		this.#news = true;
	}

	/** Of very many names, only the last keep their histories, and those that exist. */
	#forget(): void {
		const recent = new Set(this.#all.map((h) => h.key));
		for (const key of this.#histories.keys()) {
			if (!recent.has(key) && !this.#byKey.has(key)) this.#histories.delete(key);
		}
	}

	#draw(): void {
		this.#pending ??= setTimeout(() => {
			this.#pending = undefined;
			this.#order ??= [...this.#byKey.keys()].sort();
			this.rows.value = this.#order.flatMap((key) => this.#byKey.get(key) ?? []);
			if (this.#news) this.happened.value++;
			this.#news = false;
		}, together);
	}
}

// The seconds that are left are told as whole ones, cut off: up to one more is the truth.
// Only of a grant, which has just happened, all of its TTL is told, and that is whole.
const half = 490;

/** What is known better is kept, as long as it fits what is said: it may be cut off twice, by etcd and by the gateway. */
function within(known: number, said: number): number {
	return known >= said && known <= said + 2_000 ? known : said + 2 * half;
}

const memories: Record<Module, Memory> = { lock: new Memory(), leader: new Memory() };

/** Follows all locks, or all elections, until the stream is stopped. */
export function follow(module: Module, memory: Memory = memories[module]): Queues {
	// A name whose holder's time should be over, and of which nothing can be heard.
	let doubtful: string | undefined;

	const stream = keep(async ({ live, signal }) => {
		if (doubtful !== undefined) await show(module, doubtful, signal);
		doubtful = undefined;
		if (memory.lost !== undefined && Date.now() - memory.lost > longGap) memory.last = undefined;
		const silent = new AbortController();
		const dog = watchdog(silence, () => silent.abort());
		const ended = AbortSignal.any([signal, silent.signal]);
		let present = 0; // what comes with an id up to there is the past
		let gap: number | undefined;
		const handlers = {
			onOpen(index: number) {
				dog.sign();
				if (memory.last === undefined) return; // a state comes first
				present = index;
				gap = memory.lost;
				memory.lost = undefined;
				live();
				// Renewals are no changes in etcd: nobody tells of those of meanwhile.
				if (memory.rows.peek().length > 0) void correct(module, memory, ended);
			},
			onState(queues: Queue[], id: number) {
				dog.sign();
				// In the middle of a stream it is what many changes at once have made.
				memory.reset(queues, id, memory.lost);
				memory.lost = undefined;
				live();
				// In lists they are told more precisely.
				if (queues.length > 0 && queues.length <= 1000) void correct(module, memory, ended);
				void date(module, memory, ended);
			},
			onEvent(event: ModuleEvent) {
				dog.sign();
				memory.apply(event, event.id <= present ? gap : undefined);
				live();
			},
			onSign(id: number | undefined) {
				dog.sign();
				if (id !== undefined && memory.last !== undefined) memory.last = id;
			},
			onTooMuch() {
				memory.last = undefined; // how everything is by now says it quicker
			},
		};
		try {
			await listen(module, { after: memory.last }, handlers, ended).catch((thrown: unknown) => {
				if (!(thrown instanceof Failure) || thrown.kind !== 'compacted' || memory.last === undefined) throw thrown;
				// What happened meanwhile is forgotten: begin anew, with how it is.
				memory.last = undefined;
				return listen(module, {}, handlers, ended);
			});
		} catch (thrown) {
			if (silent.signal.aborted && !signal.aborted) throw new Failure('unreachable', `nothing has come for ${silence / 1000} seconds`);
			throw thrown;
		} finally {
			dog.stop();
			memory.lost ??= Date.now();
		}
	});

	const stopLooking = lookAfterEnds(memory, stream, async (key) => {
		try {
			memory.learn(await show(module, key));
		} catch {
			doubtful = key;
			stream.retry();
		}
	});
	return {
		rows: memory.rows,
		known: memory.known,
		happened: memory.happened,
		happenings: (key) => memory.happenings(key),
		row: (key) => memory.row(key),
		began: memory.began,
		stream: {
			...stream,
			stop() {
				stopLooking();
				stream.stop();
			},
		},
	};
}

// How long after a holder's time is over, by the clock here, its end should have been told.
const grace = 3_000;

/**
 * Has one looked at whose holder's time is over without anything having been told: its
 * holder has renewed and that was missed, or the gateway has lost etcd and tells nothing.
 */
function lookAfterEnds(memory: Memory, stream: Stream, look: (key: string) => Promise<void>): () => void {
	let timer: ReturnType<typeof setTimeout> | undefined;
	let turn = 0;
	const off = effect(() => {
		clearTimeout(timer);
		const own = ++turn;
		if (stream.state.value !== 'live') return;
		let first: Row | undefined;
		for (const row of memory.rows.value) {
			if (row.index && (!first || row.deadline < first.deadline)) first = row;
		}
		if (!first) return;
		const { key } = first;
		const lookIn = (pause: number): void => {
			timer = setTimeout(() => {
				void look(key).then(() => {
					if (own === turn) lookIn(grace);
				});
			}, pause);
		};
		lookIn(Math.min(Math.max(first.deadline + grace - Date.now(), 0), 2 ** 31 - 1));
	});
	return () => {
		off();
		turn = -1;
		clearTimeout(timer);
	};
}

async function correct(module: Module, memory: Memory, signal: AbortSignal): Promise<void> {
	try {
		let asked = Date.now();
		for await (const queues of list(module, signal)) {
			memory.correct(queues, (asked + Date.now()) / 2);
			asked = Date.now();
		}
	} catch {
		// Then the next renewal corrects it. If the gateway has gone, the stream says so.
	}
}

async function date(module: Module, memory: Memory, signal: AbortSignal): Promise<void> {
	const { undated } = memory;
	if (settings.api !== 'v3' || undated === 0 || undated > fewEnough) return;
	try {
		memory.date(await beginnings(module, signal));
	} catch {
		// This user may not read them: then it is known for as long as this page has been open.
	}
}
