import { expect, test } from 'vitest';
import type { Metrics } from './cluster.ts';
import { append, average, empty, gap, type History, rate, span } from './history.ts';
import { member, rows } from '../pages/overview/cluster.fixture.ts';

const start = 1_800_000_000;

const metrics = (requests: number, fsync = { sum: 0, count: 0 }): Metrics => ({ requests, failed: 0, fsync, peers: {}, activePeers: [] });

/** What happened at each second: counters of member 0, or that it or the gateway did not answer. */
function play(steps: [seconds: number, what: Metrics | 'down' | 'silence'][]): History {
	return steps.reduce<History>((old, [seconds, what]) => {
		const at = (start + seconds) * 1000;
		if (what === 'silence') return gap(old, at);
		const m = what === 'down' ? member(0, { status: null }) : member(0, { metrics: what, latency: 0.003 });
		return append(old, 500 + seconds, rows([m]), at);
	}, empty);
}

const times = (h: History): number[] => h.times.map((t) => t - start);

test('counters become rates', () => {
	const h = play([
		[0, metrics(100)],
		[2, metrics(140)],
		[4, metrics(140)],
	]);
	expect(times(h)).toEqual([0, 2, 4]);
	expect(h.lines.get('a0')?.requests).toEqual([undefined, 20, 0]);
	expect(h.lines.get('a0')?.latency).toEqual([0.003, 0.003, 0.003]);
});

test('a restart sets counters back, and no rate is below zero', () => {
	const h = play([
		[0, metrics(100)],
		[2, metrics(7)],
		[4, metrics(17)],
	]);
	expect(h.lines.get('a0')?.requests).toEqual([undefined, null, 5]);
});

test('while a member does not answer, there is a gap, and then a rate over the time between', () => {
	const h = play([
		[0, metrics(100)],
		[2, 'down'],
		[4, 'down'],
		[6, metrics(160)],
	]);
	expect(h.lines.get('a0')?.requests).toEqual([undefined, null, null, 10]);
	expect(h.lines.get('a0')?.latency).toEqual([0.003, null, null, 0.003]);
});

test('when the gateway does not answer, there is a gap for all', () => {
	const h = play([
		[0, metrics(100)],
		[2, 'silence'],
		[4, metrics(140)],
	]);
	expect(h.lines.get('a0')?.requests).toEqual([undefined, null, 10]);
});

test('time in which nobody looked is a gap', () => {
	const h = play([
		[0, metrics(100)],
		[2, metrics(120)],
		[100, metrics(1100)],
	]);
	expect(times(h)).toEqual([0, 2, 3, 100]);
	expect(h.lines.get('a0')?.requests).toEqual([undefined, 10, null, 10]);
});

test('averages are those between two answers; with nothing to measure it is no gap', () => {
	const h = play([
		[0, metrics(0, { sum: 1, count: 10 })],
		[2, metrics(0, { sum: 1.5, count: 15 })],
		[4, metrics(0, { sum: 1.5, count: 15 })],
		[6, metrics(0, { sum: 0.1, count: 1 })],
	]);
	expect(h.lines.get('a0')?.fsync).toEqual([undefined, 0.1, undefined, null]);
	expect(h.lines.get('a0')?.commit).toEqual([undefined, undefined, undefined, undefined]);
});

test('a member without metrics has its latency', () => {
	const h = append(empty, 1, rows([member(0)]), start * 1000);
	expect(h.lines.get('a0')).toEqual({ requests: [undefined], latency: [0.002], fsync: [undefined], commit: [undefined] });
});

test('a new member begins where it came, and one that has left is forgotten in the end', () => {
	let h = append(empty, 0, rows([member(0)]), start * 1000);
	h = append(h, 2, rows([member(0), member(1)]), (start + 2) * 1000);
	expect(h.lines.get('a1')?.latency).toEqual([null, 0.002]);
	h = append(h, 4, rows([member(0)]), (start + 4) * 1000);
	expect(h.lines.get('a1')?.latency).toEqual([null, 0.002, null]);
	for (let s = 6; s <= span + 6; s += 2) h = append(h, s, rows([member(0)]), (start + s) * 1000);
	expect([...h.lines.keys()]).toEqual(['a0']);
});

test('ten minutes are kept', () => {
	let h = empty;
	for (let s = 0; s <= 2 * span; s += 2) h = append(h, s, rows([member(0, { metrics: metrics(s * 3) })]), (start + s) * 1000);
	expect(h.times).toHaveLength(301);
	expect(times(h)[0]).toBe(span);
	expect(h.lines.get('a0')?.requests).toEqual(Array(301).fill(3));
});

test('a clock that is set back begins anew', () => {
	let h = append(empty, 0, rows([member(0)]), start * 1000);
	h = append(h, 2, rows([member(0)]), (start - 3600) * 1000);
	expect(h.times).toEqual([start - 3600]);
	expect(h.lines.get('a0')?.latency).toEqual([0.002]);
});

test('rates and averages of what is not known are not known', () => {
	expect(rate(undefined, 5, 2)).toBeUndefined();
	expect(rate(5, undefined, 2)).toBeUndefined();
	expect(rate(5, 6, 0)).toBeUndefined();
	expect(rate(5, 6, -1)).toBeUndefined();
	expect(average(undefined, { sum: 1, count: 1 })).toBeUndefined();
});
