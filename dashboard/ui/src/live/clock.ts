// One clock for all that counts: it ticks as long as somebody looks.

import { signal } from '@preact/signals';

let timer: ReturnType<typeof setInterval> | undefined;

/** Now, in milliseconds since 1970, four times a second. */
export const now = signal(Date.now(), {
	watched() {
		now.value = Date.now();
		timer = setInterval(() => (now.value = Date.now()), 250);
	},
	unwatched() {
		clearInterval(timer);
	},
});
