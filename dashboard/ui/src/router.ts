// Which page is shown: it is what the address says, so that it can be reloaded, shared
// and gone back to.

import { signal } from '@preact/signals';
import { type Bytes, fromQuery, fromText, toQuery, toText } from './api/bytes.ts';
import { home } from './settings.ts';

export type Page = 'overview' | 'keys' | 'locks' | 'elections' | 'leases' | 'missing';

/** Where the user is. Parameters are bytes, since etcd's keys are. */
export interface Place {
	readonly page: Page;
	readonly parameters: ReadonlyMap<string, Bytes>;
}

const pages: Record<string, Page> = {
	'': 'overview',
	overview: 'overview',
	stats: 'overview', // the old dashboard's
	keys: 'keys',
	browser: 'keys', // the old dashboard's
	locks: 'locks',
	elections: 'elections',
	leases: 'leases',
};

/** What the rest of a page's path stands for: keys/foo is keys/?key=foo. */
const subject: Partial<Record<Page, string>> = { keys: 'key', locks: 'name', elections: 'name', leases: 'id' };

export function parse(url: URL): Place {
	const path = url.pathname.startsWith(home.pathname) ? url.pathname.slice(home.pathname.length) : '';
	const [first = '', ...rest] = path.split('/');
	const page = (Object.hasOwn(pages, first) ? pages[first] : undefined) ?? 'missing';
	const parameters = new Map<string, Bytes>();
	for (const pair of url.search.slice(1).split('&')) {
		if (!pair) continue;
		const [name = '', ...value] = pair.split('=');
		parameters.set(name, fromQuery(value.join('=').replace(/\+/g, '%20')));
	}
	const about = subject[page];
	const named = fromQuery(rest.join('/'));
	if (about && named && first !== 'browser' && !parameters.has(about)) parameters.set(about, named);
	return { page, parameters };
}

/** The address of a page. What is undefined is left out. */
export function href(page: Page, parameters: Record<string, Bytes | undefined> = {}): string {
	const query = Object.entries(parameters)
		.filter((pair): pair is [string, Bytes] => pair[1] !== undefined)
		.map(([name, value]) => `${name}=${toQuery(value)}`)
		.join('&');
	// Whole, since a path that begins with two slashes would be a host's name.
	return home.href + (page === 'overview' ? '' : page + '/') + (query && '?' + query);
}

export const place = signal<Place>(parse(new URL(location.href)));

/** A parameter as text, if it is there and is UTF-8. */
export function text(name: string): string | undefined {
	const value = place.value.parameters.get(name);
	return value === undefined ? undefined : toText(value);
}

export function parameter(text: string | undefined): Bytes | undefined {
	return text === undefined ? undefined : fromText(text);
}

/** Asked before the user goes to another place; false keeps them where they are. */
export type Guard = (to: Place) => Promise<boolean>;

let guard: Guard | undefined;

/** Has a guard asked before the page is left, until the function that it returns is called. */
export function guardLeaving(ask: Guard): () => void {
	guard = ask;
	const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
	addEventListener('beforeunload', warn);
	return () => {
		if (guard === ask) guard = undefined;
		removeEventListener('beforeunload', warn);
	};
}

/** Goes to an address of the dashboard. */
export async function go(to: string, { replace = false } = {}): Promise<void> {
	const url = new URL(to, location.href);
	if (url.href === location.href) return;
	if (guard && !(await guard(parse(url)))) return;
	history[replace ? 'replaceState' : 'pushState'](null, '', url);
	place.value = parse(url);
	if (!replace) scrollTo(0, 0);
}

let settled = location.href;

/** Has links within the dashboard, and the browser's history, change the page and not load it anew. */
export function startRouter(): void {
	document.addEventListener('click', (event) => {
		const link = (event.target as Element).closest?.('a');
		if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
		if (link.target || link.hasAttribute('download') || link.origin !== home.origin || !link.pathname.startsWith(home.pathname)) return;
		event.preventDefault();
		void go(link.href);
	});
	addEventListener('popstate', () => {
		const wanted = location.href;
		if (!guard) {
			place.value = parse(new URL(wanted));
			return;
		}
		// The browser has gone already: go back to where the user still is, and ask.
		history.pushState(null, '', settled);
		void go(wanted);
	});
	place.subscribe(() => (settled = location.href));
}
