// Waiting for something to become so, by looking again and again until a deadline.

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface Patience {
	/** Milliseconds; 10,000 if nothing is said. */
	within?: number;
	/** Milliseconds between two looks. */
	every?: number;
	/** Says what is waited for, in the error. */
	what?: string;
}

// How long this process was not run in time, in all: a shared machine may stop everything for a
// second, which the page can do nothing about.
let stalled = 0;
const tick = 10;
let ticked = performance.now();
setInterval(() => ran(), tick).unref();

/** Milliseconds in which the machine ran. */
function ran(): number {
	const now = performance.now();
	if (now - ticked > 100) stalled += now - ticked;
	ticked = now;
	return now - stalled;
}

/**
 * Looks until `look` neither throws nor returns false or undefined, and returns what it
 * did return; the last time when the time is over. What that look said is in the error.
 */
export async function eventually<T>(look: () => T | Promise<T>, patience: Patience = {}): Promise<NonNullable<T>> {
	const { within = 10_000, every = 25, what = look.toString() } = patience;
	const deadline = ran() + within;
	for (;;) {
		let said: unknown;
		const late = ran() > deadline;
		try {
			const found = await look();
			if (found !== false && found !== undefined && found !== null) return found;
			said = `it was ${String(found)}`;
		} catch (error) {
			said = error;
		}
		if (late) {
			throw new Error(`not within ${within} ms: ${what}: ${said instanceof Error ? said.message : String(said)}`, { cause: said });
		}
		await sleep(every);
	}
}
