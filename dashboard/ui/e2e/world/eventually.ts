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

/**
 * Looks until `look` neither throws nor returns false or undefined, and returns what it
 * did return. What the last look said is in the error.
 */
export async function eventually<T>(look: () => T | Promise<T>, patience: Patience = {}): Promise<NonNullable<T>> {
	const { within = 10_000, every = 25, what = look.toString() } = patience;
	const deadline = performance.now() + within;
	for (;;) {
		let said: unknown;
		try {
			const found = await look();
			if (found !== false && found !== undefined && found !== null) return found;
			said = `it was ${String(found)}`;
		} catch (error) {
			said = error;
		}
		if (performance.now() > deadline) {
			throw new Error(`not within ${within} ms: ${what}: ${said instanceof Error ? said.message : String(said)}`, { cause: said });
		}
		await sleep(every);
	}
}
