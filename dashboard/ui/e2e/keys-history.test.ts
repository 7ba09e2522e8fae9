// What a key was: walked back, compared and restored.

import { beforeAll } from 'vitest';
import { address, button, content, valueOf } from './editor.ts';
import { axe, type Cluster, expect, type Gateway, test, useWorld } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster();
	gateway = await world.gateway({ etcd: cluster });
});

test('it is walked back, compared, and an older value restored', async ({ open }) => {
	const etcd = cluster.etcd();
	const lease = await etcd.grant(600);
	for (let i = 1; i <= 25; i++) await etcd.put('/history', `value ${i}\n`, i > 20 ? lease : '0');
	const { page } = await open(address(gateway, '/history', '&view=history'));
	const rows = page.locator('.history-list tbody tr');
	await expect.poll(() => rows.count()).toBe(20);
	await button(page, 'Older').click();
	await expect.poll(() => rows.count()).toBe(25);
	await page.getByText('Created at revision').waitFor();
	await rows.nth(5).getByRole('button').click();
	await expect.poll(() => page.locator('.comparison-host .cm-deletedChunk').innerText()).toContain('value 20');
	expect(await page.locator('.comparison-host .cm-changedLine').innerText()).toContain('value 25');
	await axe(page);
	await button(page, 'Restore').click();
	await page.getByRole('dialog').locator(button(page, 'Restore')).click();
	await expect.poll(() => valueOf(cluster, '/history')).toBe('value 20\n');
	expect((await etcd.get('/history'))?.lease).toBe(lease);
	await expect.poll(() => rows.count()).toBe(26);
	await page.getByRole('tab', { name: 'Value' }).click();
	expect(new URL(page.url()).searchParams.has('view')).toBe(false);
	await expect.poll(() => content(page).innerText()).toContain('value 20');
});

test('it restores over what the user was asked about, and nothing else', async ({ open }) => {
	const etcd = cluster.etcd();
	for (const value of ['older', 'now']) await etcd.put('/history/asked', value);
	const { page } = await open(address(gateway, '/history/asked', '&view=history'));
	await page.locator('.history-pick').nth(1).click();
	await button(page, 'Restore').click();
	await etcd.put('/history/asked', 'theirs');
	await expect.poll(() => page.locator('.history-list tbody tr').count()).toBe(3);
	await page.getByRole('dialog').locator(button(page, 'Restore')).click();
	await page.getByRole('dialog', { name: 'Somebody else has changed this key meanwhile' }).waitFor();
	expect(await valueOf(cluster, '/history/asked')).toBe('theirs');
});

test('it ends where etcd has been compacted', async ({ open }) => {
	const etcd = cluster.etcd();
	for (const value of ['one', 'two', 'three']) await etcd.put('/compacted', value);
	const { modRevision } = (await etcd.get('/compacted'))!;
	await etcd.compact(modRevision);
	const { page } = await open(address(gateway, '/compacted', '&view=history'));
	await page.getByText('etcd has been compacted').waitFor();
	expect(await page.locator('.history-list tbody tr').count()).toBe(1);
});

test('it brings a deleted key back', async ({ open }) => {
	const etcd = cluster.etcd();
	await etcd.put('/gone', 'was here');
	const { modRevision } = (await etcd.get('/gone'))!;
	await etcd.delete('/gone');
	const { page } = await open(address(gateway, '/gone', '&view=history'));
	await page.getByLabel('Look as of revision').fill(modRevision);
	await button(page, 'Look').click();
	await page.locator('.history-pick').first().click();
	await button(page, 'Restore').click();
	await page.getByRole('dialog').locator(button(page, 'Restore')).click();
	await expect.poll(() => valueOf(cluster, '/gone')).toBe('was here');
});
