// Answering a page's requests in the gateway's place.

import type { Page } from 'playwright-core';
import { eventually } from './world/eventually.ts';

/**
 * As page.route, for a page that is open: it is in effect when this returns. Chromium says that
 * it is before its renderer knows, and a key that is pressed may overtake that; so the page sends
 * requests until one is intercepted. Before a page is gone to, page.route is enough.
 */
export async function intercept(page: Page, ...[url, handler, options]: Parameters<Page['route']>): Promise<void> {
	const probe = new URL('is-it-intercepted', page.url()).href;
	await page.route(probe, (route) => route.fulfill({ status: 204 }));
	await page.route(url, handler, options);
	await eventually(() => page.evaluate(async (probe) => (await fetch(probe, { method: 'HEAD' })).status === 204, probe), { what: 'requests are intercepted' });
	await page.unroute(probe);
}
