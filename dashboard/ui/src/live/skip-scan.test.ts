import { expect, test } from 'vitest';
import { type Bytes, fromText } from '../api/bytes.ts';
import { TooLong } from '../api/http.ts';
import type { Range, RangeOptions } from '../api/v3.ts';
import { SkipScan } from './skip-scan.ts';

/** An etcd with these keys, whose answers have so many bytes a key. */
function etcd(names: string[], bytesPerKey = 100) {
	const keys = names.map(fromText).sort();
	const asked: RangeOptions[] = [];
	const fetch = (options: RangeOptions): Promise<Range> => {
		asked.push(options);
		const { key, end = '\0', limit = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = options;
		const inside = keys.filter((k) => k >= key && (end === '\0' || k < end));
		const page = inside.slice(0, limit);
		const bytes = page.length * bytesPerKey;
		if (bytes > maxBytes) return Promise.reject(new TooLong());
		const kvs = page.map((k) => ({ key: k, value: '' as Bytes, createRevision: 1, modRevision: 1, version: 1, lease: '0' }));
		return Promise.resolve({ revision: 7, kvs, more: inside.length > limit, count: inside.length, bytes });
	};
	return { fetch, asked };
}

async function all(scan: SkipScan): Promise<string[]> {
	const found: string[] = [];
	for (let i = 0; !scan.done; i++) {
		if (i > 10_000) throw new Error('it does not end');
		found.push(...(await scan.next(0)).found.map((entry) => entry.key));
	}
	return found;
}

const odd = ['foo', 'foo/', 'foo/x', 'foo-bar', '/a//b', '/a/', '/', '//', '\u00ff', 'z/z/z'];

test('every key and folder comes once, in order', async () => {
	expect(await all(new SkipScan('' as Bytes, etcd(odd).fetch))).toEqual(['/', 'foo', 'foo-bar', 'foo/', 'z/', fromText('\u00ff')]);
	expect(await all(new SkipScan(fromText('/'), etcd(odd).fetch))).toEqual(['/', '//', '/a/']);
	expect(await all(new SkipScan(fromText('foo/'), etcd(odd).fetch))).toEqual(['foo/', 'foo/x']);
	expect(await all(new SkipScan(fromText('none/'), etcd(odd).fetch))).toEqual([]);
});

test('what is in large folders is skipped', async () => {
	const names = ['a', 'b', 'c'].flatMap((folder) => Array.from({ length: 5000 }, (_, i) => `${folder}/${String(i).padStart(5, '0')}`));
	const { fetch, asked } = etcd([...names, 'd']);
	expect(await all(new SkipScan('' as Bytes, fetch))).toEqual(['a/', 'b/', 'c/', 'd']);
	expect(asked).toHaveLength(4);
	expect(asked.reduce((sum, { limit = 0 }) => sum + limit, 0)).toBeLessThan(500);
});

test('many small folders come many at a time', async () => {
	const { fetch, asked } = etcd(Array.from({ length: 20_000 }, (_, i) => `${String(i).padStart(5, '0')}/x`));
	expect(await all(new SkipScan('' as Bytes, fetch))).toHaveLength(20_000);
	expect(asked.length).toBeLessThan(20);
});

test('pages get smaller where keys are long, down to one', async () => {
	const { fetch, asked } = etcd(Array.from({ length: 40 }, (_, i) => `key${String(i).padStart(2, '0')}`), 600_000);
	expect(await all(new SkipScan('' as Bytes, fetch))).toHaveLength(40);
	expect(asked.filter(({ limit = 0, maxBytes }) => limit > 1 && maxBytes === undefined)).toEqual([]);
});
