// etcd's v2 watch: one answer that goes on, an object of JSON on each line.

import type { Bytes } from './bytes.ts';
import { Failure } from './failure.ts';
import { broken, send } from './http.ts';
import { address, type Node, node, type RawNode } from './v2.ts';
import { lines } from './watch.ts';

export interface V2Change {
	action: 'set' | 'create' | 'update' | 'compareAndSwap' | 'delete' | 'compareAndDelete' | 'expire';
	/** Whether it is gone; of a directory, with all that was in it. */
	deleted: boolean;
	/** Of what is gone, its key and its index. */
	node: Node;
}

export interface V2WatchOptions {
	key: Bytes;
	/** Also what is below it, but for what is hidden there. */
	recursive?: boolean;
	/** The first index to be told of. */
	from: number;
}

export interface V2WatchHandlers {
	/** The watch stands: nothing after that index is missed. */
	onStart(): void;
	onChange(change: V2Change): void;
}

/** From so many changes on it is cheaper, and surer, to look at everything anew. */
const patience = 20;

/**
 * Watches until the stream ends, and then returns. Throws a Failure if it can't, of the kind
 * 'compacted' if etcd has forgotten the first index: it remembers 1,000 changes.
 */
export async function watchV2({ key, recursive, from }: V2WatchOptions, handlers: V2WatchHandlers, signal: AbortSignal): Promise<void> {
	let next = from;
	for (let old = 0; ; old++) {
		if (old > patience) throw new Failure('compacted', 'more has happened than etcd tells one by one');
		const past = await follow(next);
		if (past === undefined) return;
		next = past + 1;
	}

	// Returns the index of a change that had happened before the watch began: of those etcd
	// tells the first one only, and then nothing any more.
	async function follow(index: number): Promise<number | undefined> {
		const own = new AbortController();
		const both = AbortSignal.any([signal, own.signal]);
		const answer = await send(`${address(key)}?wait=true&stream=true${recursive ? '&recursive=true' : ''}&waitIndex=${index}`, { timeout: 0, signal: both });
		const began = Number(answer.headers.get('X-Etcd-Index') ?? 0);
		if (index === from) handlers.onStart();
		try {
			for await (const line of lines(answer)) {
				const change = parse(line);
				handlers.onChange(change);
				if (change.node.modifiedIndex <= began) return change.node.modifiedIndex;
			}
			return undefined;
		} catch (thrown) {
			throw broken(thrown, signal);
		} finally {
			own.abort();
		}
	}
}

function parse(line: string): V2Change {
	const raw = JSON.parse(line) as { action: V2Change['action']; node: RawNode };
	return {
		action: raw.action,
		deleted: raw.action === 'delete' || raw.action === 'compareAndDelete' || raw.action === 'expire',
		node: node(raw.node),
	};
}
