// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from 'vitest';
import type { Bytes } from '../../../api/bytes.ts';
import { left, onTheClock, version } from './store-v2.ts';

const node = { key: '/key' as Bytes, value: 'v' as Bytes, dir: false, nodes: [], createdIndex: 1, modifiedIndex: 2, ttl: 300, expiration: undefined };
afterEach(() => vi.useRealTimers());

test('what is left of a TTL is not what somebody makes of the clock', () => {
	vi.useFakeTimers();
	const given = version(node);
	expect(left(given)).toBe(300);
	vi.advanceTimersByTime(10_000);
	expect(left(given)).toBe(290);
	for (const jump of [86_400_000, -86_400_000]) {
		vi.setSystemTime(Date.now() + jump);
		expect(left(given)).toBe(290);
		expect(onTheClock(given.deadline ?? 0)).toBe(Date.now() + 290_000);
	}
	vi.advanceTimersByTime(400_000);
	expect(left(given)).toBe(1);
	expect(left(version({ ...node, ttl: undefined }))).toBeUndefined();
});
