// One clock for all that counts: it ticks as long as somebody looks.

import { signal } from '@preact/signals';

let timer: ReturnType<typeof setInterval> | undefined;
let watchers = 0;
let wall = 0;
let steady = 0;

const ticks = {
	watched() {
		if (watchers++ > 0) return;
		wall = now.value = Date.now();
		steady = performance.now();
		timer = setInterval(tick, 250);
	},
	unwatched() {
		if (--watchers === 0) clearInterval(timer);
	},
};

/** Now, in milliseconds since 1970, four times a second. */
export const now = signal(Date.now(), ticks);

/**
 * Counts how often the clock has jumped: somebody has set it, or the machine has slept.
 * What was counted down until then may be wrong.
 */
export const jumps = signal(0, ticks);

function tick(): void {
	const wallNow = Date.now();
	const steadyNow = performance.now();
	const passed = wallNow - wall;
	if (Math.abs(passed - (steadyNow - steady)) > 1000 || passed > 10_000) jumps.value++;
	wall = now.value = wallNow;
	steady = steadyNow;
}
