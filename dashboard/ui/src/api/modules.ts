// The gateway's own API: locks and elections.

import { Failure } from './failure.ts';
import { ask, broken, send } from './http.ts';
import { serverSent } from './server-sent.ts';

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

/** Something that happened to a lock or an election: how it is now, and to whom it happened. */
export interface ModuleEvent {
	name: EventName;
	queue: Queue;
	entry: { index: number; value: string } | undefined;
	/** etcd's revision or index. */
	id: number;
}

export interface ListenHandlers {
	/** It is answered, and etcd's index was this one by then: what comes with one that is not greater is the past. */
	onOpen?(index: number): void;
	/** Everything as it is: when the stream begins, and when very much has happened at once. */
	onState(queues: Queue[], id: number): void;
	onEvent(event: ModuleEvent): void;
	/** Something has come, if only a comment: the stream lives. With an id, nothing else has happened up to there. */
	onSign(id: number | undefined): void;
	/** So much has happened that the gateway does not keep the rest for this listener. */
	onTooMuch?(): void;
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
	if (!(answer.headers.get('Content-Type') ?? '').startsWith('text/event-stream')) {
		throw new Failure('unreachable', 'something else than the gateway has answered');
	}
	handlers.onOpen?.(Number(answer.headers.get('X-Etcd-Index') ?? 0));
	try {
		for await (const { event, data, id, comment } of serverSent(answer)) {
			const number = id === undefined ? undefined : Number(id);
			if (data === '') {
				handlers.onSign(number);
				if (comment.startsWith('Too slow')) handlers.onTooMuch?.();
			} else if (event === 'state') {
				handlers.onState((JSON.parse(data) as { items: Queue[] }).items, number ?? 0);
			} else {
				const { entry, ...queue } = JSON.parse(data) as Queue & { entry?: { index: number; value: string } };
				handlers.onEvent({ name: event as EventName, queue, entry, id: number ?? 0 });
			}
		}
	} catch (thrown) {
		throw broken(thrown, signal);
	}
}

/** A lock or an election, with its whole queue. */
export function show(module: Module, key: string, signal?: AbortSignal): Promise<Queue> {
	return ask(address(module, key), { headers: { Accept: 'application/json' }, signal });
}

/** All locks or elections, a page at a time. */
export async function* list(module: Module, signal?: AbortSignal): AsyncGenerator<Queue[]> {
	let after: string | undefined;
	do {
		const query = new URLSearchParams({ limit: '1000', ...(after !== undefined && { continue: after }) });
		const page = await ask<{ items: Queue[]; continue?: string }>(`${address(module)}?${query}`, { headers: { Accept: 'application/json' }, signal });
		yield page.items;
		after = page.continue;
	} while (after !== undefined);
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
