// Times that are over, of v2's keys. etcd tells when one has ended, and does not tell when
// one has been refreshed: so what should have ended by then, and is seen, is looked at.
// What is still there twice is kept alive by its owner, and is not asked for again: when it
// ends in spite of that, its watch tells.

import { isAbort } from '../api/failure.ts';
import type { Entry } from './entries.ts';

const grace = 1_500; // what has ended is told until then
const shortest = 2_000;
const longest = 60_000;

/** So often it is looked at whether it has been refreshed. */
export const enough = 2;

export interface Ends {
	/** What is seen, or when it ends, may have changed. */
	await(): void;
	stop(): void;
}

/**
 * Looks, one after the other, at those that are seen and whose time is over. look answers
 * that one is still there by counting that in a new entry's `kept`.
 */
export function lookAfterEnds(seen: () => readonly Entry[], look: (entry: Entry) => Promise<void>): Ends {
	let timer: ReturnType<typeof setTimeout> | undefined;
	let looking = false;
	let stopped = false;
	let pause = shortest;
	let notBefore = 0;

	const due = ({ deadline, kept }: Entry): number => (deadline === undefined || kept >= enough ? Number.POSITIVE_INFINITY : Math.max(deadline + grace, notBefore));

	function schedule(): void {
		clearTimeout(timer);
		if (looking || stopped) return;
		const first = seen().reduce((least, entry) => Math.min(least, due(entry)), Number.POSITIVE_INFINITY);
		if (first === Number.POSITIVE_INFINITY) return;
		timer = setTimeout(() => void lookNow(), Math.min(Math.max(first - Date.now(), 0), 2 ** 31 - 1));
	}

	async function lookNow(): Promise<void> {
		looking = true;
		try {
			for (const entry of seen().filter((e) => due(e) <= Date.now())) await look(entry);
			pause = shortest;
			notBefore = Date.now() + pause; // also where one look would follow the other at once
		} catch (thrown) {
			if (isAbort(thrown)) return;
			notBefore = Date.now() + pause;
			pause = Math.min(2 * pause, longest);
		} finally {
			looking = false;
			schedule();
		}
	}

	return {
		await: schedule,
		stop() {
			stopped = true;
			clearTimeout(timer);
		},
	};
}
