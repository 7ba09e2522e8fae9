import { describe, expect, it } from 'vitest';
import { fromText } from '../api/bytes.ts';
import { type ClientEntry, clientsPrefix, grouped } from './clients.ts';

describe('a key of etcd’s own clients', () => {
	const prefix = (key: string, lease: string) => clientsPrefix({ key: fromText(key), lease });

	it('is named by its own lease', () => {
		expect(prefix('/locks/a/6e4aa2248d0c76d0', '7947342770317588176')).toBe('/locks/a');
		expect(prefix('a/ff', '255')).toBe('a');
		expect(prefix('/ff', '255')).toBe('');
		expect(prefix('a//ff', '255')).toBe('a/');
		expect(prefix('a/ffffffffffffffff', '-1')).toBe('a');
	});

	it('is no other', () => {
		expect(prefix('a/6e4aa2248d0c76d0', '0')).toBeUndefined();
		expect(prefix('a/6e4aa2248d0c76d0', '7947342770317588177')).toBeUndefined();
		expect(prefix('a/FF', '255')).toBeUndefined();
		expect(prefix('a/00ff', '255')).toBeUndefined();
		expect(prefix('ff', '255')).toBeUndefined();
		expect(prefix('a/ff/b', '255')).toBeUndefined();
	});
});

describe('queues of etcd’s own clients', () => {
	const entry = (key: string, createRevision: number, value = ''): ClientEntry => ({ key: fromText(key), lease: '1', createRevision, value: fromText(value) });

	it('are in the order of their creation, whatever their keys', () => {
		const [a, b] = grouped([entry('b/2', 5), entry('a/9', 7, 'x'), entry('b/1', 9), entry('a/8', 3, 'y'), entry('b/3', 6)]);
		expect(a).toMatchObject({ prefix: 'a', election: true });
		expect(a?.entries.map((e) => e.value)).toEqual(['y', 'x']);
		expect(b).toMatchObject({ prefix: 'b', election: false });
		expect(b?.entries.map((e) => e.createRevision)).toEqual([5, 6, 9]);
	});

	it('with a value that is too long to be known are elections', () => {
		expect(grouped([{ ...entry('a/1', 1), value: undefined }])[0]?.election).toBe(true);
	});
});
