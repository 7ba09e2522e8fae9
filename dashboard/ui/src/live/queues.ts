// All locks, or all elections, as they are now: the gateway's own events, applied.

import { type ReadonlySignal, signal } from '@preact/signals';
import { Failure } from '../api/failure.ts';
import { type EventName, listen, type Module, type ModuleEvent, type Queue } from '../api/modules.ts';
import { keep, type Stream, watchdog } from './stream.ts';

/** A lock or an election that exists. */
export interface Row extends Queue {
	/** When the holder's time is over, by this machine's clock, in milliseconds since 1970. */
	deadline: number;
	/** When the holder began to hold it, if this page has seen that. */
	since: number | undefined;
}

/** Something that this page has seen happen. */
export interface Happening {
	at: number;
	name: EventName;
	key: string;
	index: number;
	value: string;
	id: number;
}

export interface Queues {
	/** By their names, in the names' order. */
	readonly rows: ReadonlySignal<readonly Row[]>;
	/** The last happenings, the newest first. */
	readonly happenings: ReadonlySignal<readonly Happening[]>;
	/** Since when this page has been listening, in milliseconds since 1970. */
	readonly began: number;
	readonly stream: Stream;
}

const kept = 200;

// The gateway sends something at least every 15 seconds.
const silence = 40_000;

/** Follows all locks, or all elections, until the stream is stopped. */
export function follow(module: Module): Queues {
	const rows = signal<readonly Row[]>([]);
	const happenings = signal<readonly Happening[]>([]);
	const byKey = new Map<string, Row>();
	let last: number | undefined;
	let drawn = false;

	// A burst of events is drawn once.
	const draw = (): void => {
		if (drawn) return;
		drawn = true;
		queueMicrotask(() => {
			drawn = false;
			rows.value = [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
		});
	};

	const set = (queue: Queue, since: number | undefined): void => {
		if (queue.queue.length === 0) byKey.delete(queue.key);
		else byKey.set(queue.key, { ...queue, deadline: Date.now() + queue.ttl * 1000, since });
		draw();
	};

	const apply = ({ name, queue, entry, id }: ModuleEvent): void => {
		const at = Date.now();
		const before = byKey.get(queue.key);
		const acquired = name === 'acquired' && entry?.index === queue.index;
		set(queue, acquired ? at : before?.index === queue.index ? before.since : undefined);
		if (name !== 'renewed' && entry) {
			happenings.value = [{ at, name, key: queue.key, ...entry, id }, ...happenings.value].slice(0, kept);
		}
	};

	const stream = keep(async ({ live, signal }) => {
		const silent = new AbortController();
		const dog = watchdog(silence, () => silent.abort());
		try {
			await listen(
				module,
				{ after: last },
				{
					onState(queues, id) {
						const old = new Map(byKey);
						byKey.clear();
						for (const queue of queues) {
							const before = old.get(queue.key);
							set(queue, before?.index === queue.index ? before.since : undefined);
						}
						draw();
						last = id;
						live();
					},
					onEvent(event) {
						apply(event);
						last = event.id;
						live();
					},
					onSign() {
						dog.sign();
						if (last !== undefined) live();
					},
				},
				AbortSignal.any([signal, silent.signal]),
			);
		} catch (thrown) {
			if (silent.signal.aborted && !signal.aborted) throw new Failure('unreachable', 'nothing has come for 40 seconds');
			// What happened meanwhile is forgotten: begin anew, with how it is.
			if (thrown instanceof Failure && thrown.kind === 'compacted') last = undefined;
			throw thrown;
		} finally {
			dog.stop();
		}
	});

	return { rows, happenings, began: Date.now(), stream };
}
