import { describe, expect, test } from 'vitest';
import type { Bytes } from '../../../../api/bytes.ts';
import { Failure } from '../../../../api/failure.ts';
import type { get, KeyValue } from '../../../../api/v3.ts';
import { type Past, walk } from './walk.ts';

const key = '/k' as Bytes;

/** An etcd in which the key was written at these revisions, and of which so much is compacted. */
function etcd(revisions: number[], compacted = 0): typeof get {
	return async (_, { revision = 0 } = {}) => {
		if (revision < compacted) throw new Failure('compacted', 'gone');
		const i = revisions.findLastIndex((r) => r <= revision);
		const kv: KeyValue | undefined = i < 0 ? undefined : { key, value: `v${i + 1}` as Bytes, createRevision: revisions[0] ?? 0, modRevision: revisions[i] ?? 0, version: i + 1, lease: '0' };
		return { revision: 100, kv };
	};
}

async function told(from: number, count: number, at: typeof get): Promise<[revisions: number[], end: string | undefined]> {
	const all: Past[] = [];
	const end = await walk(key, from, count, (past) => all.push(past), new AbortController().signal, at);
	return [all.map((p) => p.revision), end];
}

describe('walks back', () => {
	test('to the first', async () => expect(await told(40, 20, etcd([3, 9, 12, 40]))).toEqual([[40, 12, 9, 3], 'created']));
	test('so far and no further', async () => expect(await told(40, 2, etcd([3, 9, 12, 40]))).toEqual([[40, 12], undefined]));
	test('and on from there', async () => expect(await told(11, 2, etcd([3, 9, 12, 40]))).toEqual([[9, 3], 'created']));
	test('to what is compacted', async () => expect(await told(40, 20, etcd([3, 9, 12, 40], 10))).toEqual([[40, 12, 9], 'compacted']));
	test('from nothing', async () => expect(await told(2, 20, etcd([3]))).toEqual([[], 'created']));
	test('to a failure', async () => {
		const broken: typeof get = async () => {
			throw new Failure('unreachable', 'no');
		};
		await expect(told(5, 20, broken)).rejects.toThrow('no');
	});
});
