import { expect, test } from 'vitest';
import { type Bytes, fromArray, fromBase64, fromHex, fromQuery, fromText, isPlain, prefixEnd, successor, toArray, toBase64, toHex, toQuery, toText } from './bytes.ts';

/** A thousand strings of bytes, the same each time: short ones, and such as are near to what is special. */
function* samples(): Generator<Bytes> {
	let state = 42;
	const next = (below: number): number => {
		state = (state * 1664525 + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
	const special = [0x00, 0x01, 0x0a, 0x20, 0x25, 0x2b, 0x2f, 0x3d, 0x7e, 0x7f, 0x80, 0xbf, 0xc3, 0xe2, 0xf0, 0xfe, 0xff];
	yield '' as Bytes;
	for (let i = 0; i < 1000; i++) {
		const bytes = Array.from({ length: next(12) }, () => (next(2) ? (special[next(special.length)] ?? 0) : next(256)));
		yield String.fromCharCode(...bytes) as Bytes;
	}
	yield fromText('füße/日本語/🔑\u0000\u202e');
	yield 'x'.repeat(100_000) as Bytes;
}

test('whatever goes out comes back', () => {
	for (const b of samples()) {
		expect(fromArray(toArray(b))).toBe(b);
		expect(fromBase64(toBase64(b))).toBe(b);
		expect(fromHex(toHex(b))).toBe(b);
		expect(fromQuery(toQuery(b))).toBe(b);
		const text = toText(b);
		if (text !== undefined) expect(fromText(text)).toBe(b);
	}
});

test('an address has nothing in it that would mean something else', () => {
	for (const b of samples()) {
		expect(toQuery(b)).toMatch(/^(?:[A-Za-z0-9\-._~/:@,!$*]|%[0-9A-F]{2})*$/);
		const url = new URL(`http://x/?key=${toQuery(b)}`);
		expect(url.search.slice('?key='.length)).toBe(toQuery(b)); // the browser leaves it as it is
		expect(url.hash).toBe('');
	}
});

test('the order is etcd’s, by bytes', () => {
	const sorted = [...samples()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
	for (const [i, b] of sorted.entries()) {
		const before = sorted[i - 1];
		if (before !== undefined) expect(Buffer.compare(toArray(before), toArray(b))).toBeLessThanOrEqual(0);
	}
});

test('a prefix ends before the first key that does not begin with it', () => {
	const all = [...samples()].filter((b) => b.length < 100);
	for (const prefix of all) {
		const end = prefixEnd(prefix);
		if (end === '\0') {
			expect(prefix).toMatch(/^\xff*$/);
			continue;
		}
		expect(end > prefix).toBe(true);
		for (const key of [prefix + '\xff\xff\xff', successor(prefix), ...all.slice(0, 50)]) {
			expect(key >= prefix && key < end).toBe(key.startsWith(prefix));
		}
	}
});

test('the successor comes directly after', () => {
	for (const b of samples()) {
		expect(successor(b) > b).toBe(true);
		expect(successor(b).slice(0, -1)).toBe(b);
	}
});

test('what is no text, no hexadecimal digits, no encoding', () => {
	for (const b of ['\xff', '\xc3', '\xed\xa0\x80', '\xc0\x80', 'a\x80b']) expect(toText(b as Bytes)).toBeUndefined();
	expect(toText('\xef\xbb\xbfa' as Bytes)).toBe('\ufeffa'); // a byte order mark is part of it
	expect(fromHex('0')).toBeUndefined();
	expect(fromHex('0g')).toBeUndefined();
	expect(fromHex(' 00 ff\n0A ')).toBe('\x00\xff\x0a');
	expect(fromQuery('100%')).toBe('100%');
	expect(fromQuery('%zz%C3%BC')).toBe('%zz\xc3\xbc');
	expect(fromQuery('ü')).toBe('\xc3\xbc');
	expect(fromBase64(undefined)).toBe('');
});

test('what an eye could see', () => {
	expect(isPlain('Größe 日本 🔑')).toBe(true);
	for (const text of ['a\n', '\u202e', '\u200b', '\u0000', '\ufeff', '\u2028']) expect(isPlain(text)).toBe(false);
});
