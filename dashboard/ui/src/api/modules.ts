// The gateway's own API: locks and elections.

import { EventSourceParserStream } from 'eventsource-parser/stream';
import { Failure } from './failure.ts';
import { ask, broken, send } from './http.ts';

/** Which of the modules: what is a lock's name there is an election's here. */
export type Module = 'lock' | 'leader';

/** A place in a queue. */
export interface Entry {
	/** The fencing token. */
	index: number;
	/** What it locked with, or the candidate's name; '-' without one. */
	value: string;
	state: 'held' | 'waiting';
	/** The holder's seconds left. */
	ttl?: number;
}

/** A lock, or an election. */
export interface Queue {
	key: string;
	/** The holder's; 0 if nobody holds it. */
	index: number;
	value: string;
	ttl: number;
	queue: Entry[];
	/** How many more there are in the queue than are shown. */
	more?: number;
}

export type EventName = 'acquired' | 'released' | 'expired' | 'queued' | 'left' | 'renewed';

export const eventNames: readonly EventName[] = ['acquired', 'released', 'expired', 'queued', 'left', 'renewed'];

/** Something that happened to a lock or an election: how it is now, and to whom it happened. */
export interface ModuleEvent {
	name: EventName;
	queue: Queue;
	entry: { index: number; value: string } | undefined;
	/** etcd's revision or index. */
	id: number;
}

export interface ListenHandlers {
	/** Everything as it is, when the stream begins. */
	onState(queues: Queue[], id: number): void;
	onEvent(event: ModuleEvent): void;
	/** Anything at all has come, if only a comment: the stream lives. */
	onSign(): void;
}

function address(module: Module, key = ''): string {
	return `mod/v2/${module}/${encodeURIComponent(key).replace(/%2F/g, '/')}`;
}

/**
 * Listens to all locks or elections that begin with a prefix until the stream ends, and
 * then returns. With the id of the last event it goes on from there, and there is no
 * state first. Throws a Failure if it can't, of the kind 'compacted' if etcd no
 * longer knows what came after that id.
 */
export async function listen(module: Module, options: { prefix?: string; after?: number | undefined }, handlers: ListenHandlers, signal: AbortSignal): Promise<void> {
	const answer = await send(address(module) + '?prefix=' + encodeURIComponent(options.prefix ?? ''), {
		headers: { Accept: 'text/event-stream', ...(options.after !== undefined && { 'Last-Event-ID': String(options.after) }) },
		timeout: 0,
		signal,
	});
	if (!answer.body) return;
	const events = answer.body
		.pipeThrough(new TextDecoderStream())
		.pipeThrough(new EventSourceParserStream({ onComment: () => handlers.onSign() }))
		.getReader();
	try {
		for (;;) {
			const { done, value: event } = await events.read();
			if (done) return;
			handlers.onSign();
			if (!event.data) continue;
			const id = Number(event.id ?? 0);
			if (event.event === 'state') {
				handlers.onState((JSON.parse(event.data) as { items: Queue[] }).items, id);
			} else {
				const { entry, ...queue } = JSON.parse(event.data) as Queue & { entry?: { index: number; value: string } };
				handlers.onEvent({ name: event.event as EventName, queue, entry, id });
			}
		}
	} catch (thrown) {
		throw broken(thrown, signal);
	} finally {
		void events.cancel().catch(() => undefined);
	}
}

/** A lock or an election, with its whole queue. */
export function show(module: Module, key: string, signal?: AbortSignal): Promise<Queue> {
	return ask(address(module, key), { headers: { Accept: 'application/json' }, signal });
}

/**
 * Releases the lock, or takes a waiter out of its queue, if the entry is still the one with
 * that index. Throws a Failure of the kind 'notFound' if it has gone.
 */
export async function release(key: string, index: number): Promise<void> {
	await remove('lock', key, { index: String(index) });
}

/** Has a candidate resign, or leave the queue. */
export async function resign(key: string, name: string): Promise<void> {
	await remove('leader', key, { name });
}

async function remove(module: Module, key: string, form: Record<string, string>): Promise<void> {
	if (key === '') throw new Failure('notFound', 'a name is needed');
	await send(address(module, key), { method: 'DELETE', form, writes: true });
}
