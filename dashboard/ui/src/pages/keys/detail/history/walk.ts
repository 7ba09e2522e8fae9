// What a key was before, step by step: at the revision before it was last written, it was
// what it had been before that.

import type { Bytes } from '../../../../api/bytes.ts';
import { Failure } from '../../../../api/failure.ts';
import { get, type KeyValue } from '../../../../api/v3.ts';

/** A version of a key. Large values are not kept: they are asked for again when they are looked at. */
export interface Past {
	revision: number;
	created: number;
	version: number;
	lease: string;
	size: number;
	value: Bytes | undefined;
}

/** Where older ones end: with the key's first, or with what etcd has forgotten. */
export type End = 'created' | 'compacted';

const kept = 64 * 1024;

export function past(kv: KeyValue): Past {
	return { revision: kv.modRevision, created: kv.createRevision, version: kv.version, lease: kv.lease, size: kv.value.length, value: kv.value.length > kept ? undefined : kv.value };
}

/** All of these versions, the newest first. */
export function merged(known: readonly Past[], added: readonly Past[]): readonly Past[] {
	return [...new Map([...known, ...added].map((v) => [v.revision, v])).values()].sort((a, b) => b.revision - a.revision);
}

/** Walks back from a revision, which is the first that is told, until so many were told. Returns where it ended, if it has. */
export async function walk(key: Bytes, from: number, count: number, tell: (past: Past) => void, signal: AbortSignal, at = get): Promise<End | undefined> {
	let revision = from;
	for (let i = 0; i < count; i++) {
		let kv: KeyValue | undefined;
		try {
			kv = (await at(key, { revision }, signal)).kv;
		} catch (thrown) {
			if (thrown instanceof Failure && thrown.kind === 'compacted') return 'compacted';
			throw thrown;
		}
		if (!kv) return 'created';
		tell(past(kv));
		if (kv.modRevision === kv.createRevision) return 'created';
		revision = kv.modRevision - 1;
	}
	return undefined;
}

/** The value of a version. */
export async function valueOf(key: Bytes, of: Past, signal?: AbortSignal): Promise<Bytes> {
	if (of.value !== undefined) return of.value;
	const { kv } = await get(key, { revision: of.revision }, signal);
	if (!kv) throw new Failure('notFound', `nothing at revision ${of.revision}`);
	return kv.value;
}
