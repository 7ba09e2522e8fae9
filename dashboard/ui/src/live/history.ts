// How much the members had to do in the last minutes: counters, made into rates.

import type { Metrics, Row, Timing } from './cluster.ts';

/**
 * null is a gap: the member, or the gateway, did not answer. undefined is no gap, but
 * nothing was measured there.
 */
export type Value = number | null | undefined;

/** What is drawn, in the order of the times. */
export interface Lines {
	/** A second. */
	requests: Value[];
	/** Seconds, as are those below. */
	latency: Value[];
	fsync: Value[];
	commit: Value[];
}

export type Measure = keyof Lines;
export const measures: readonly Measure[] = ['requests', 'latency', 'fsync', 'commit'];

export interface History {
	/** In seconds since 1970, by this machine's clock. */
	times: readonly number[];
	/** By the members' keys. */
	lines: ReadonlyMap<string, Lines>;
	/** The counters that the next rates are differences to. */
	counters: ReadonlyMap<string, { time: number; metrics: Metrics }>;
}

export const empty: History = { times: [], lines: new Map(), counters: new Map() };

/** How far it goes back, in seconds. */
export const span = 600;

// With more time between two answers, what is between them is not known.
const longest = 7;

/**
 * What came at a time (milliseconds since 1970, by this machine's clock) is added; time
 * is when it was so, in seconds by the gateway's clock.
 */
export function append(old: History, time: number, rows: readonly Row[], at: number): History {
	const last = old.times.at(-1);
	const base = last !== undefined && at / 1000 - last > longest ? gap(old, (last + 1) * 1000) : old;
	const counters = new Map(base.counters);
	const points = new Map<string, Record<Measure, Value>>();
	for (const { key, status, latency, metrics } of rows) {
		if (!status) continue;
		const before = counters.get(key);
		points.set(key, { latency, ...rates(before, metrics && { time, metrics }) });
		if (metrics) counters.set(key, { time, metrics });
	}
	return add({ ...base, counters }, at, points);
}

/** Nothing came: it is a gap for all. */
export function gap(old: History, at: number): History {
	return old.times.length === 0 || old.times.at(-1)! >= at / 1000 ? old : add(old, at, new Map());
}

function add(old: History, at: number, points: ReadonlyMap<string, Record<Measure, Value>>): History {
	const now = at / 1000;
	// A clock that was set back begins anew: times have to be in order.
	const ordered = (old.times.at(-1) ?? 0) < now;
	const first = ordered ? old.times.findIndex((t) => t >= now - span) : -1;
	const from = first < 0 ? old.times.length : first;
	const times = [...old.times.slice(from), now];
	const lines = new Map<string, Lines>();
	for (const key of new Set([...old.lines.keys(), ...points.keys()])) {
		const was = old.lines.get(key);
		const point = points.get(key);
		const line = (measure: Measure): Value[] => [...(was ? was[measure].slice(from) : Array<null>(times.length - 1).fill(null)), point ? point[measure] : null];
		const all = { requests: line('requests'), latency: line('latency'), fsync: line('fsync'), commit: line('commit') };
		// A member that has left is forgotten with its last point.
		if (point || measures.some((m) => all[m].some((v) => typeof v === 'number'))) lines.set(key, all);
	}
	return { times, lines, counters: old.counters };
}

interface Counted {
	time: number;
	metrics: Metrics;
}

function rates(before: Counted | undefined, now: Counted | null): Record<Exclude<Measure, 'latency'>, Value> {
	if (!before || !now) return { requests: undefined, fsync: undefined, commit: undefined };
	return {
		requests: rate(before.metrics.requests, now.metrics.requests, now.time - before.time),
		fsync: average(before.metrics.fsync, now.metrics.fsync),
		commit: average(before.metrics.commit, now.metrics.commit),
	};
}

/** How many there were a second. After a restart, which sets counters back, that is not known. */
export function rate(before: number | undefined, now: number | undefined, seconds: number): Value {
	if (before === undefined || now === undefined || seconds <= 0) return undefined;
	return now < before ? null : (now - before) / seconds;
}

/** How long it took between the two, on the average. */
export function average(before: Timing | undefined, now: Timing | undefined): Value {
	if (!before || !now || now.count === before.count) return undefined;
	return now.count < before.count || now.sum < before.sum ? null : (now.sum - before.sum) / (now.count - before.count);
}
