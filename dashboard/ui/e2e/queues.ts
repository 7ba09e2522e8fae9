// The queues of locks and elections, as a page shows them.

import type { Locator, Page } from 'playwright-core';
import { eventually } from './world/eventually.ts';
import type { Gateway } from './world/gateway.ts';

/** Where a lock or an election is open. */
export const address = (gateway: Gateway, page: 'locks' | 'elections', name: string): string => gateway.page(`${page}/?name=${encodeURIComponent(name)}`);

/** The line of a lock or an election in the list. */
export const line = (page: Page, name: string): Locator => page.locator('.queues-line').filter({ has: page.locator('.queues-name').getByText(name, { exact: true }) });
export const holder = (page: Page, name: string): Locator => line(page, name).locator('.queues-holder');
export const waiters = (page: Page, name: string): Promise<string[]> => line(page, name).locator('.queues-waiter').allInnerTexts();

/** The one that is open. */
export const detail = (page: Page): Locator => page.locator('.queues-detail');
export const entries = (page: Page): Promise<string[]> => detail(page).locator('.queues-entry .cut').allInnerTexts();

/** Waits until the page says that it is told of what happens. */
export const live = (page: Page): Promise<void> => page.getByRole('status').getByText('live', { exact: true }).waitFor();

/** How many milliseconds it takes from now until the page shows it. */
export async function until(look: () => Promise<boolean>): Promise<number> {
	const began = performance.now();
	await eventually(look, { every: 10 });
	return performance.now() - began;
}
