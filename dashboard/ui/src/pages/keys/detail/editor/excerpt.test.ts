import { expect, test } from 'vitest';
import { excerpt } from './excerpt.ts';

const long = 'line of text\n'.repeat(20_000);

test('what is short is compared whole', () => expect(excerpt('a', 'b')).toEqual({ a: 'a', b: 'b', cut: false, more: false }));

test('what is long, around the difference', () => {
	const at = long.length / 2;
	const { a, b, cut, more } = excerpt(long, `${long.slice(0, at)}other${long.slice(at)}`);
	expect(a.length).toBeLessThan(2100);
	expect(b.length).toBeLessThan(2100);
	expect(b).toContain('other');
	expect(cut).toBe(true);
	expect(more).toBe(false);
});

test('so much and no more of what differs', () => {
	const { a, b, more } = excerpt(long, long.toUpperCase(), 5000);
	expect([a.length, b.length]).toEqual([5000, 5000]);
	expect(more).toBe(true);
});

test('the end of one', () => {
	const { a, b } = excerpt(long, `${long}end`);
	expect(b.endsWith('end')).toBe(true);
	expect(a.length).toBeLessThan(1100);
});

test('no character is cut in two', () => {
	const text = '😀'.repeat(100_000);
	const { a } = excerpt(text, `${text.slice(0, 100_002)}x${text.slice(100_002)}`);
	expect(() => encodeURIComponent(a)).not.toThrow();
});
