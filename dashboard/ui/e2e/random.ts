// Chance that is the same each time.

export class Random {
	#state: number;

	constructor(seed = 1) {
		this.#state = seed;
	}

	/** From 0, below 1 (mulberry32). */
	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	/** From low to high, both included. */
	int(low: number, high: number): number {
		return low + Math.floor(this.next() * (high - low + 1));
	}

	of<T>(items: readonly T[]): T {
		return items[this.int(0, items.length - 1)]!;
	}

	hex(length: number): string {
		return Array.from({ length }, () => this.int(0, 15).toString(16)).join('');
	}
}
