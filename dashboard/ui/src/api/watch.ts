// etcd's v3 watch: one answer that goes on, an object of JSON on each line.

import { type Bytes, toBase64 } from './bytes.ts';
import { Failure, fromAnswer } from './failure.ts';
import { broken, send } from './http.ts';
import { renew } from './session.ts';
import { type KeyValue, keyValue } from './v3.ts';

export interface Change {
	deleted: boolean;
	/** Of a deleted key, only the key and the revision. */
	kv: KeyValue;
}

export interface WatchOptions {
	key: Bytes;
	/** The first key that is not watched; without one, it is that key alone. */
	end?: Bytes;
	/** The first revision to be told of. */
	from: number;
}

export interface WatchHandlers {
	/**
	 * The watch stands: from its first revision on nothing is missed; without one (0), nothing
	 * after this revision, which is etcd's of then.
	 */
	onStart(revision: number): void;
	/** What one revision, or several, have changed, in order. */
	onChanges(changes: Change[], revision: number): void;
}

interface Line {
	result?: {
		header?: { revision?: string };
		created?: boolean;
		canceled?: boolean;
		cancel_reason?: string;
		compact_revision?: string;
		events?: { type?: string; kv: Parameters<typeof keyValue>[0] }[];
	};
	error?: { message?: string };
}

/**
 * Watches until the stream ends, and then returns. Throws a Failure if it can't, of
 * the kind 'compacted' if etcd has forgotten the first revision.
 */
export async function watch(options: WatchOptions, handlers: WatchHandlers, signal: AbortSignal): Promise<void> {
	try {
		await once(options, handlers, signal);
	} catch (thrown) {
		// Of a token that has ended, a watch tells in an answer that is a success.
		if (!(thrown instanceof Failure && thrown.kind === 'signIn' && thrown.status === 0 && (await renew()))) throw thrown;
		await once(options, handlers, signal);
	}
}

async function once(options: WatchOptions, handlers: WatchHandlers, signal: AbortSignal): Promise<void> {
	const answer = await send('v3/watch', {
		method: 'POST',
		json: {
			create_request: {
				key: toBase64(options.key === '' ? ('\0' as Bytes) : options.key),
				...(options.end !== undefined && { range_end: toBase64(options.end) }),
				start_revision: options.from,
			},
		},
		// A member that is cut off from the others would keep it open, and tell nothing.
		headers: { 'Grpc-Metadata-Hasleader': 'true' },
		timeout: 0,
		signal,
	});
	try {
		for await (const line of lines(answer)) take(JSON.parse(line) as Line, handlers);
	} catch (thrown) {
		throw broken(thrown, signal);
	}
}

function take({ result, error }: Line, handlers: WatchHandlers): void {
	if (error) throw fromAnswer(0, JSON.stringify({ message: error.message }));
	if (!result) return;
	if (result.canceled) {
		if (result.compact_revision) throw new Failure('compacted', result.cancel_reason ?? 'compacted');
		throw fromAnswer(0, JSON.stringify({ message: result.cancel_reason || 'etcd has ended the watch' }));
	}
	if (result.created) handlers.onStart(Number(result.header?.revision ?? 0));
	if (!result.events) return;
	const changes = result.events.map((e) => ({
		deleted: e.type === 'DELETE',
		kv: keyValue(e.kv),
	}));
	handlers.onChanges(changes, Number(result.header?.revision ?? 0));
}

/** The lines of an answer, as they come. */
export async function* lines(answer: Response): AsyncGenerator<string> {
	if (!answer.body) return;
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			const parts = (rest + value).split('\n');
			rest = parts.pop() ?? '';
			for (const part of parts) if (part.trim()) yield part;
		}
	} finally {
		void reader.cancel().catch(() => undefined);
	}
}
