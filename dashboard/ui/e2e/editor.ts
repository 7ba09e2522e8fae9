// A key's page, as its user has it before them.

import type { Locator, Page } from 'playwright-core';
import { retype } from './keyboard.ts';
import type { Cluster } from './world/cluster.ts';
import type { Gateway } from './world/gateway.ts';

/** Where a key is shown; `more` is put behind it, such as '&view=history'. */
export const address = (gateway: Gateway, key: string, more = ''): string => gateway.page(`keys/?key=${encodeURIComponent(key)}${more}`);

export const content = (page: Page): Locator => page.locator('.value-editor .cm-content');
export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });
export const said = (page: Page, text: string): Locator => page.locator('.toasts').getByText(text, { exact: true });

/** What etcd has, past the gateway; undefined if there is no such key. */
export const valueOf = async (cluster: Cluster, key: string): Promise<string | undefined> => (await cluster.etcd().get(key))?.value;

/** Replaces the whole text in the editor. */
export async function edit(page: Page, text: string): Promise<void> {
	await content(page).click();
	await retype(page, text);
	await page.getByText('Edited, not saved').waitFor();
}
