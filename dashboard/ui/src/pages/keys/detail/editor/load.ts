// Gets the editor's chunk. Who asks again after a failure has it fetched again.

import { signal } from '@preact/signals';

export type EditorModule = typeof import('./editor.ts');

/** The chunk, when it is there; null if it can't be had. */
export const loaded = signal<EditorModule | null | undefined>(undefined);

export function load(): void {
	if (loaded.peek()) return;
	loaded.value = undefined;
	import('./editor.ts').then(
		(module) => (loaded.value = module),
		() => (loaded.value = null),
	);
}
