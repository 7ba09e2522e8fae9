// A key of the v3 API.

import type { Bytes } from '../../../api/bytes.ts';
import { Failure } from '../../../api/failure.ts';
import { get, type KeyValue, type Operation, type Transaction, transact } from '../../../api/v3.ts';
import { watch } from '../../../api/watch.ts';
import type { Seen, Version } from './edit.ts';
import type { Base, Removed, Store, Written } from './store.ts';

export function version(kv: KeyValue): Version {
	return { value: kv.value, revision: kv.modRevision, created: kv.createRevision, version: kv.version, lease: kv.lease, deadline: undefined, dir: false };
}

export function v3Store(name: Bytes): Store {
	/** The revision up to which everything has been told. */
	let told: number | undefined;

	const read = async (signal?: AbortSignal): Promise<Seen> => {
		const { revision, kv } = await get(name, {}, signal);
		return { now: kv && version(kv), at: revision };
	};

	return {
		space: 'v3',
		name,
		read,
		async follow(tell, { live, signal }) {
			if (told === undefined) {
				const seen = await read(signal);
				told = seen.at;
				tell(seen);
			}
			try {
				await watch(
					{ key: name, from: told + 1 },
					{
						onStart: live,
						onChanges(changes, revision) {
							for (const { deleted, kv } of changes) tell({ now: deleted ? undefined : version(kv), at: kv.modRevision });
							told = revision;
						},
					},
					signal,
				);
			} catch (thrown) {
				// What happened meanwhile is forgotten: look at what there is.
				if (thrown instanceof Failure && thrown.kind === 'compacted') told = undefined;
				throw thrown;
			}
		},
		async write(value, base) {
			const answer = await put(name, base, { put: { key: name, value, ignoreLease: base !== undefined } });
			if (!answer.done) return answer;
			const { at } = answer;
			return { done: true, now: base ? { ...base, value, revision: at, version: base.version + 1 } : fresh(value, at, '0') };
		},
		async remove(base: Base): Promise<Removed> {
			return put(name, base, { delete: { key: name } });
		},
	};
}

function fresh(value: Bytes, revision: number, lease: string): Version {
	return { value, revision, created: revision, version: 1, lease, deadline: undefined, dir: false };
}

async function put(name: Bytes, base: Base | undefined, operation: Operation): Promise<Removed> {
	const transaction: Transaction = {
		compare: [base ? { key: name, modRevision: base.revision } : { key: name, createRevision: 0 }],
		success: [operation],
		failure: [{ range: { key: name } }],
	};
	const { succeeded, revision, ranges } = await transact(transaction);
	if (succeeded) return { done: true, at: revision };
	const kv = ranges[0]?.kvs[0];
	return { done: false, now: kv && version(kv), at: revision };
}

/** Makes a key that is not there, with a lease ('0' for none). */
export async function createKey(name: Bytes, value: Bytes, lease: string): Promise<Written> {
	const answer = await put(name, undefined, { put: { key: name, value, lease } });
	return answer.done ? { done: true, now: fresh(value, answer.at, lease) } : answer;
}

/** Hangs a key on another lease ('0' for none), whatever its value. */
export async function setLease(name: Bytes, base: Version, lease: string): Promise<Written> {
	const answer = await put(name, base, { put: { key: name, value: '' as Bytes, ignoreValue: true, lease } });
	return answer.done ? { done: true, now: { ...base, revision: answer.at, version: base.version + 1, lease } } : answer;
}
