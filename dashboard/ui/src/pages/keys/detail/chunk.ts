// Gets code that is in a chunk of its own. Who asks again after a failure has it fetched again.

import { type ReadonlySignal, signal } from '@preact/signals';

export interface Chunk<T> {
	/** What is in it, when it is there; null if it can't be had. */
	readonly content: ReadonlySignal<T | null | undefined>;
	load(): void;
}

export function chunk<T>(get: () => Promise<T>): Chunk<T> {
	const content = signal<T | null | undefined>(undefined);
	let loading = false;
	return {
		content,
		load() {
			if (content.peek() || loading) return;
			loading = true;
			content.value = undefined;
			get()
				.then(
					(got) => (content.value = got),
					() => (content.value = null),
				)
				.finally(() => (loading = false));
		},
	};
}
