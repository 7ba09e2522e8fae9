// For tests that try many orders of things, and can be repeated.

/** Numbers that look like chance, the same ones each time. */
export function chance(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}
