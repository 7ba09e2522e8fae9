// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { fitting, type Place } from './track.tsx';

const places = (n: number, value: string): Place[] => Array.from({ length: n }, (_, i) => ({ id: i, value, title: '' }));

describe('who waits', () => {
	it('is shown as long as there is room', () => {
		expect(fitting(places(3, 'abc'), 0, 1000)).toBe(3);
		expect(fitting(places(30, 'abc'), 0, 500)).toBe(9);
		expect(fitting([], 0, 500)).toBe(0);
		expect(fitting(places(5, 'x'.repeat(500)), 0, 400)).toBe(1);
		expect(fitting(places(5, 'abc'), 0, 10)).toBe(0);
	});

	it('needs room for the number of those who are not shown', () => {
		expect(fitting(places(2, 'abc'), 0, 96)).toBe(2);
		expect(fitting(places(2, 'abc'), 7, 96)).toBe(0);
	});
});
