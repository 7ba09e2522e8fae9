// Every page of the dashboard, by its address.

import type { Page } from 'playwright-core';

export interface Place {
	name: string;
	path: string;
	/** Its heading. */
	title: string;
	/** Only with this API. */
	only?: 'v3' | 'v2';
}

export const places: Place[] = [
	{ name: 'overview', path: '', title: 'Overview' },
	{ name: 'keys', path: 'keys/', title: 'Keys' },
	{ name: 'locks', path: 'locks/', title: 'Locks' },
	{ name: 'elections', path: 'elections/', title: 'Elections' },
	{ name: 'leases', path: 'leases/', title: 'Leases', only: 'v3' },
];

export const heading = (page: Page): Promise<string> => page.locator('h1').first().innerText();
