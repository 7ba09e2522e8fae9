// How long it takes from one member to another.

import type { Member } from './cluster.ts';

export interface Trip {
	/** The histogram's own, up to now. */
	sum: number;
	count: number;
	/** The round trip, in seconds. */
	seconds: number;
	/** It has been measured while this page was open; otherwise it is the average since the member's start. */
	recent: boolean;
}

/** By the identifiers of the two members. */
export type Trips = ReadonlyMap<string, Trip>;

export const between = (from: string, to: string): string => `${from} ${to}`;

/** The round trips, with those that members have measured since. */
export function roundTrips(old: Trips, members: readonly Member[]): Trips {
	const trips = new Map<string, Trip>();
	for (const { id, metrics } of members) {
		for (const [to, { sum, count, current }] of Object.entries(metrics?.peers ?? {})) {
			const name = between(id, to);
			const before = old.get(name);
			if (sum !== undefined && count) trips.set(name, next(before, sum, count));
			else if (current !== undefined) trips.set(name, { sum: 0, count: 0, seconds: current, recent: true });
		}
	}
	return trips;
}

// Members measure every 10 seconds.
function next(before: Trip | undefined, sum: number, count: number): Trip {
	if (before && count === before.count) return before;
	if (before && count > before.count && sum >= before.sum) return { sum, count, seconds: (sum - before.sum) / (count - before.count), recent: true };
	return { sum, count, seconds: sum / count, recent: false };
}

/** Whether a round trip is much longer than they are in the middle. */
export function slow(seconds: number, all: readonly number[]): boolean {
	const sorted = [...all].sort((a, b) => a - b);
	const half = sorted.length / 2;
	const median = ((sorted[Math.ceil(half) - 1] ?? 0) + (sorted[Math.floor(half)] ?? 0)) / 2;
	return seconds > 3 * median && seconds - median > 0.005;
}
