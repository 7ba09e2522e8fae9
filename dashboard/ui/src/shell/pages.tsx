// The pages, each a file of its own that is loaded when it is first needed, so that the
// first one is there soon.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { Missing } from '../pages/missing.tsx';
import type { Page } from '../router.ts';
import { Busy, Button, Empty, Page as Frame } from '../ui/parts.tsx';
import { code, look, upgraded } from './upgrade.ts';

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

/** Each as it was loaded; null if it could not be. */
const loaded = signal<Partial<Record<Page, ComponentType | null>>>({});

const triedAhead = new Set<Page>();

async function load(page: Page, { ahead = false } = {}): Promise<void> {
	if (loaded.peek()[page]) return;
	if (ahead) triedAhead.add(page);
	const found = await code(pages[page].load).catch(() => null);
	// Nobody has asked for it yet: it may be there by then.
	if (!found && ahead) return;
	// But the browser remembers that a module could not be loaded, until it begins anew.
	if (!found && triedAhead.has(page) && (await look())) return location.reload();
	loaded.value = { ...loaded.peek(), [page]: found };
}

/** The page of that name, as soon as it has been loaded. */
export function Content({ page }: { page: Page }) {
	const found = loaded.value[page];
	useEffect(() => void load(page), [page]);
	useEffect(() => {
		if (found) rest();
	}, [found]);
	if (found) {
		const Found = found;
		return <Found />;
	}
	if (found === undefined) return <Busy />;
	return (
		<Frame title={pages[page].title}>
			{!upgraded.value && (
				<Empty title="This page could not be loaded">
					The gateway may be restarting, or the network may be down. <Button onClick={() => location.reload()}>Reload</Button>
				</Empty>
			)}
		</Frame>
	);
}

let resting = false;

/** Loads the other pages while nothing else is to be done, so that going there takes no time. */
function rest(): void {
	if (resting) return;
	resting = true;
	setTimeout(() => void Promise.all((Object.keys(pages) as Page[]).map((page) => load(page, { ahead: true }))), 1500);
}
