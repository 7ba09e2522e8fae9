import { expect, test } from 'vitest';
import { member } from '../pages/overview/cluster.fixture.ts';
import type { Member, Metrics } from './cluster.ts';
import { between, roundTrips, slow } from './trips.ts';

const from = (peers: Metrics['peers']): Member[] => [member(0, { metrics: { peers, activePeers: [] } })];
const trip = between('a0', 'a1');

test('first the average since the start, then what has been measured since', () => {
	const first = roundTrips(new Map(), from({ a1: { sum: 1, count: 10 } }));
	expect(first.get(trip)).toMatchObject({ seconds: 0.1, recent: false });
	const same = roundTrips(first, from({ a1: { sum: 1, count: 10 } }));
	expect(same.get(trip)).toEqual(first.get(trip));
	const next = roundTrips(same, from({ a1: { sum: 1.02, count: 12 } }));
	expect(next.get(trip)?.seconds).toBeCloseTo(0.01);
	expect(next.get(trip)?.recent).toBe(true);
	const restarted = roundTrips(next, from({ a1: { sum: 0.5, count: 1 } }));
	expect(restarted.get(trip)).toMatchObject({ seconds: 0.5, recent: false });
});

test('the v2 API knows the last one', () => {
	expect(roundTrips(new Map(), from({ a1: { current: 0.004, average: 0.01 } })).get(trip)).toMatchObject({ seconds: 0.004 });
});

test('what is not told is not there', () => {
	expect(roundTrips(new Map(), [member(0), ...from({ a1: { sum: 0, count: 0 }, a2: {} })]).size).toBe(0);
});

test('slow is what is much longer than the others', () => {
	expect(slow(0.05, [0.001, 0.002, 0.05])).toBe(true);
	expect(slow(0.005, [0.001, 0.001, 0.005])).toBe(false); // who cares
	expect(slow(0.05, [0.04, 0.05, 0.06, 0.045])).toBe(false);
	expect(slow(0.05, [0.05])).toBe(false);
});
