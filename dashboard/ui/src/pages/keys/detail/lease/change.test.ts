import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Bytes } from '../../../../api/bytes.ts';
import { Failure } from '../../../../api/failure.ts';
import * as v3 from '../../../../api/v3.ts';
import type { Version } from '../edit.ts';
import { isDone, withLease } from './change.ts';

vi.mock('../../../../api/v3.ts', () => ({ grant: vi.fn(), revoke: vi.fn() }));

const now: Version = { value: 'v' as Bytes, revision: 7, created: 1, version: 2, lease: '42', deadline: undefined, dir: false };
const ttl = { kind: 'ttl', seconds: 60 } as const;

beforeEach(() => {
	vi.mocked(v3.grant).mockResolvedValue('42');
	vi.mocked(v3.revoke).mockResolvedValue();
});
afterEach(() => vi.clearAllMocks());

describe('a new lease', () => {
	test('stays when the key is on it', async () => {
		expect(await withLease(ttl, async (lease) => ({ done: true, now: { ...now, lease } }))).toMatchObject({ done: true, now: { lease: '42' } });
		expect(v3.revoke).not.toHaveBeenCalled();
	});
	test('is revoked when the write is refused', async () => {
		await withLease(ttl, async () => ({ done: false, now, at: 8 }));
		expect(v3.revoke).toHaveBeenCalledExactlyOnceWith('42');
	});
	test('is revoked when nothing was written', async () => {
		await expect(withLease(ttl, () => Promise.reject(new Failure('forbidden', 'no')))).rejects.toThrow('no');
		expect(v3.revoke).toHaveBeenCalledExactlyOnceWith('42');
	});
	test('is left to run out when the write may still arrive', async () => {
		await expect(withLease(ttl, () => Promise.reject(new Failure('unknown', 'lost')))).rejects.toThrow('lost');
		expect(v3.revoke).not.toHaveBeenCalled();
	});
});

test('no lease, and one that there is, need none', async () => {
	const leases: string[] = [];
	const write = async (lease: string) => {
		leases.push(lease);
		return { done: true, now } as const;
	};
	await withLease({ kind: 'none' }, write);
	await withLease({ kind: 'lease', id: '9' }, write);
	expect(leases).toEqual(['0', '9']);
	expect(v3.grant).not.toHaveBeenCalled();
});

test('whether a lost write was done', () => {
	const base = { ...now, revision: 5, lease: '0' };
	expect(isDone(ttl, base, now.value, now)).toBe(true);
	expect(isDone(ttl, base, now.value, base)).toBe(false);
	expect(isDone({ kind: 'lease', id: '42' }, base, now.value, now)).toBe(true);
	expect(isDone({ kind: 'lease', id: '43' }, base, now.value, now)).toBe(false);
	expect(isDone({ kind: 'none' }, now, now.value, { ...now, revision: 8, lease: '0' })).toBe(true);
	expect(isDone(ttl, base, 'other' as Bytes, now)).toBe(false);
	expect(isDone(ttl, base, now.value, undefined)).toBe(false);
});
