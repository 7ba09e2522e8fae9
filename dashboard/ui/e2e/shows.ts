// What is to be read in a page.

import type { Page } from 'playwright-core';

/** Waits until the text is to be seen somewhere in the page's content. */
export async function shows(page: Page, text: string | RegExp, timeout = 15_000): Promise<void> {
	await page.locator('main').getByText(text).filter({ visible: true }).first().waitFor({ timeout });
}
