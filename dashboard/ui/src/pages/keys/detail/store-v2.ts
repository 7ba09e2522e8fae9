// A key of the v2 API.

import type { Bytes } from '../../../api/bytes.ts';
import { Failure } from '../../../api/failure.ts';
import { type Answer, get, type Node, normal, remove, set } from '../../../api/v2.ts';
import { watchV2 } from '../../../api/v2-watch.ts';
import type { Seen, Version } from './edit.ts';
import type { Removed, Store, Written } from './store.ts';

export function version(node: Node): Version {
	return {
		value: node.value,
		revision: node.modifiedIndex,
		created: node.createdIndex,
		version: 0,
		lease: '0',
		// By etcd's clock it is another moment than by this machine's.
		deadline: node.ttl === undefined ? undefined : performance.now() + node.ttl * 1000,
		dir: node.dir,
	};
}

/** The whole seconds that are left; undefined if it stays. */
export function left(base: Version): number | undefined {
	return base.deadline === undefined ? undefined : Math.max(1, Math.ceil((base.deadline - performance.now()) / 1000));
}

/** When its time is over by the machine's clock, in milliseconds since 1970, to be shown. */
export function onTheClock(deadline: number): number {
	return Date.now() + deadline - performance.now();
}

export function v2Store(name: Bytes): Store {
	const key = normal(name);
	let told: number | undefined;

	const read = (signal?: AbortSignal): Promise<Seen> => look(key, signal);

	return {
		space: 'v2',
		name,
		read,
		async follow(tell, { live, signal }) {
			if (told === undefined) {
				const seen = await read(signal);
				told = seen.at;
				tell(seen);
			}
			try {
				await watchV2(
					{ key, from: told + 1 },
					{
						onStart: live,
						onChange({ deleted, node }) {
							// A directory above it may be what is gone.
							tell({ now: deleted ? undefined : version(node), at: node.modifiedIndex });
							told = node.modifiedIndex;
						},
					},
					signal,
				);
			} catch (thrown) {
				if (thrown instanceof Failure && thrown.kind === 'compacted') told = undefined;
				throw thrown;
			}
		},
		// etcd takes the TTL from a key that is written without one.
		write: (value, base) => (base ? writeV2(key, base, value, left(base)) : createV2(key, value, undefined)),
		async remove(base): Promise<Removed> {
			try {
				const answer = await remove(key, { index: base.revision });
				return { done: true, at: answer.node.modifiedIndex };
			} catch (thrown) {
				return refusal(thrown, key);
			}
		},
	};
}

/** Writes a key, with a TTL (undefined for none), if it is still base. */
export function writeV2(key: Bytes, base: Version, value: Bytes, ttl: number | undefined): Promise<Written> {
	return attempt(key, () => set(key, { value, ttl, index: base.revision }));
}

/** Makes a key that is not there. */
export function createV2(key: Bytes, value: Bytes, ttl: number | undefined): Promise<Written> {
	return attempt(key, () => set(key, { value, ttl, exists: false }));
}

async function attempt(key: Bytes, write: () => Promise<Answer>): Promise<Written> {
	try {
		return { done: true, now: version((await write()).node) };
	} catch (thrown) {
		return refusal(thrown, key);
	}
}

/** What is there instead of what was expected. */
async function refusal(thrown: unknown, key: Bytes): Promise<{ done: false } & Seen> {
	if (thrown instanceof Failure && (thrown.kind === 'conflict' || thrown.kind === 'notFound')) return { done: false, ...(await look(key)) };
	throw thrown;
}

async function look(key: Bytes, signal?: AbortSignal): Promise<Seen> {
	try {
		const { node, index } = await get(key, {}, signal);
		return { now: version(node), at: Math.max(index, node.modifiedIndex) };
	} catch (thrown) {
		if (thrown instanceof Failure && thrown.kind === 'notFound') return { now: undefined, at: thrown.index };
		throw thrown;
	}
}
