// A key is created, edited and deleted over the v2 API.

import { beforeAll } from 'vitest';
import { address, button, content, edit, said } from './editor.ts';
import { axe, type Cluster, expect, type Gateway, press, test, useWorld } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster({ version: '3.5' });
	gateway = await world.gateway({ etcd: cluster, api: 'v2' });
});

const get = async (key: string) => cluster.v2().get(key);

test('a save keeps what is left of a TTL, and is compared with the index', async ({ open }) => {
	await cluster.v2().put('/v2/key', 'one', 300);
	const { page } = await open(address(gateway, '/v2/key'));
	await expect.poll(() => content(page).innerText()).toBe('one');
	await edit(page, 'two');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(async () => (await get('/v2/key'))?.value).toBe('two');
	const { ttl = 0 } = (await get('/v2/key'))!;
	expect(ttl).toBeGreaterThan(280);
	expect(ttl).toBeLessThanOrEqual(300);
	await page.getByText('its TTL goes on').waitFor();

	// Whoever it belongs to keeps it alive, which etcd tells nobody: it is still the value that was edited.
	await edit(page, 'renewed');
	const renewal = new URLSearchParams({ ttl: '400', refresh: 'true', prevExist: 'true' });
	expect((await fetch(`${cluster.endpoints[0]}/v2/keys/v2/key`, { method: 'PUT', body: renewal })).status).toBe(200);
	await press(page, 'ControlOrMeta+s');
	await expect.poll(async () => (await get('/v2/key'))?.value).toBe('renewed');
	expect((await get('/v2/key'))?.ttl).toBeGreaterThan(380);

	await edit(page, 'three');
	await cluster.v2().put('/v2/key', 'theirs');
	await page.getByText('Somebody has changed it meanwhile').waitFor();
	await button(page, 'Save').click();
	await button(page, 'Write mine over theirs').click();
	await expect.poll(async () => (await get('/v2/key'))?.value).toBe('three');

	await button(page, 'TTL…').click();
	await page.getByLabel('For so many seconds').check();
	await page.getByLabel('Seconds', { exact: true }).fill('100');
	await button(page, 'Set the TTL').click();
	await expect.poll(async () => (await get('/v2/key'))?.ttl ?? 0).toBeGreaterThan(90);
	await page.getByRole('dialog').waitFor({ state: 'detached' });
	await button(page, 'TTL…').click();
	await page.getByLabel('Until it is deleted').check();
	await button(page, 'Keep it for good').click();
	await expect.poll(async () => (await get('/v2/key'))?.ttl).toBeUndefined();
	expect((await get('/v2/key'))?.value).toBe('three');
	await page.getByRole('dialog').waitFor({ state: 'detached' });
	await axe(page);

	await button(page, 'Delete…').click();
	await button(page, 'Delete').click();
	await expect.poll(() => get('/v2/key')).toBeUndefined();
});

test('a key is created, with a TTL, where there is none', async ({ open }) => {
	const { page } = await open(gateway.page('keys/?prefix=/v2/'));
	await button(page, 'New key').click();
	await page.getByLabel('Key', { exact: true }).fill('/v2/new');
	await page.getByLabel('Value', { exact: true }).fill('a\nb');
	await page.getByLabel('For so many seconds').check();
	await page.getByLabel('Seconds', { exact: true }).fill('100');
	await button(page, 'Create').click();
	await said(page, 'Created').waitFor();
	expect(await get('/v2/new')).toMatchObject({ value: 'a\nb' });
	expect((await get('/v2/new'))?.ttl).toBeGreaterThan(90);
});
