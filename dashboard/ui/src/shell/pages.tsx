// The pages, each a file of its own that is loaded when it is first needed, so that the
// first one is there soon.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { asFailure, Failure } from '../api/failure.ts';
import { Missing } from '../pages/missing.tsx';
import type { Page } from '../router.ts';
import { Busy, Problem } from '../ui/parts.tsx';

interface Description {
	title: string;
	load(): Promise<ComponentType>;
}

export const pages: Record<Page, Description> = {
	overview: { title: 'Overview', load: async () => (await import('../pages/overview/overview.tsx')).Overview },
	keys: { title: 'Keys', load: async () => (await import('../pages/keys/keys.tsx')).Keys },
	locks: { title: 'Locks', load: async () => (await import('../pages/locks/locks.tsx')).Locks },
	elections: { title: 'Elections', load: async () => (await import('../pages/elections/elections.tsx')).Elections },
	leases: { title: 'Leases', load: async () => (await import('../pages/leases/leases.tsx')).Leases },
	missing: { title: 'Not found', load: async () => Missing },
};

const loaded = signal<Partial<Record<Page, ComponentType | Failure>>>({});

async function load(page: Page): Promise<void> {
	if (typeof loaded.peek()[page] === 'function') return;
	const found = await pages[page].load().catch((thrown: unknown) => new Failure('unreachable', asFailure(thrown).message));
	loaded.value = { ...loaded.peek(), [page]: found };
}

/** The page of that name, as soon as it has been loaded. */
export function Content({ page }: { page: Page }) {
	const found = loaded.value[page];
	useEffect(() => void load(page), [page]);
	useEffect(() => {
		if (typeof found === 'function') rest();
	}, [found]);
	if (typeof found === 'function') {
		const Found = found;
		return <Found />;
	}
	if (!found) return <Busy />;
	// A browser remembers that a module could not be loaded, so it takes a new page.
	return (
		<div class="page">
			<Problem failure={found} retry={() => location.reload()} />
		</div>
	);
}

let resting = false;

/** Loads the other pages while nothing else is to be done, so that going there takes no time. */
function rest(): void {
	if (resting) return;
	resting = true;
	setTimeout(() => void Promise.all((Object.keys(pages) as Page[]).map(load)), 1500);
}
