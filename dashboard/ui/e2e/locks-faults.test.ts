// The locks, live, while gateways are reloaded and killed, and etcd's leader dies.

import type { Locator, Page } from 'playwright-core';
import { beforeAll } from 'vitest';
import { address, detail, entries, live, until } from './queues.ts';
import { eventually, expect, test, type Gateway, useWorld } from './test.ts';
import { Cluster } from './world/cluster.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster({ members: 3 });
	gateway = await world.gateway({ etcd: cluster });
	world.onEnd(() => gateway.mod.abortAll());
});

test('a gateway that is reloaded, killed and started again', async ({ open }) => {
	const own = await world.gateway({ etcd: cluster });
	const { page } = await open(address(own, 'locks', 'fault'), { tolerate: ['console'] });
	await live(page);
	own.reload();
	await gateway.mod.lock('fault', { value: 'one', ttl: 300 });
	await expect.poll(() => entries(page)).toEqual(['one']);
	await own.kill(); // its own: nobody else misses it
	await page.getByRole('status').getByText('reconnecting').waitFor();
	await gateway.mod.release('fault', { value: 'one' });
	await gateway.mod.lock('fault', { value: 'two', ttl: 300 });
	await own.restart();
	await expect.poll(() => entries(page), { timeout: 10_000 }).toEqual(['two']);
	await live(page);
	expect(await detail(page).locator('.queues-history li').allInnerTexts()).toHaveLength(3);
	await gateway.mod.release('fault', { value: 'two' });
	await own.stop();
});

test('without a leader no page says that it is live', { timeout: 90_000 }, async ({ open }) => {
	const three = await world.cluster({ members: 3 });
	// One that asks the member that will be cut off.
	const own = await world.gateway({ etcd: new Cluster(three.version, three.members.slice(0, 1)) });
	await three.etcd().put('here', 'x', await three.etcd().grant(600));
	const paths = ['keys/', 'keys/?key=here', 'leases/', 'locks/?by=clients'];
	const pages = await Promise.all(paths.map(async (path) => (await open(own.page(path), { tolerate: ['console'] })).page));
	const said = (page: Page): Locator => page.locator('main').getByRole('status').getByText('live', { exact: true });
	for (const page of pages) await said(page).first().waitFor();
	const [, one, two] = three.members;
	await Promise.all([one?.kill(), two?.kill()]);
	const took = await until(async () => (await Promise.all(pages.map(async (page) => said(page).count()))).every((n) => n === 0));
	console.log('milliseconds until no page says live:', Math.round(took));
	expect(took).toBeLessThan(10_000);
	await Promise.all([one?.restart(), two?.restart()]);
	await three.etcd().put('later', 'x');
	for (const [i, page] of pages.entries()) await expect.poll(() => said(page).count(), { timeout: 20_000 }).toBe(i === 1 ? 2 : 1);
	await pages[0]?.getByText('later', { exact: true }).first().waitFor();
	await own.stop();
});

test('etcd’s leader dies', async ({ open }) => {
	const { page } = await open(address(gateway, 'locks', 'failover'), { tolerate: ['console'] });
	await gateway.mod.lock('failover', { value: 'before', ttl: 300 });
	const waiter = gateway.mod.acquire('failover', { value: 'after', ttl: 300 });
	await expect.poll(() => entries(page)).toEqual(['before', 'after']);
	const leader = await cluster.leader();
	try {
		await leader.kill();
		await eventually(async () => [200, 404].includes((await gateway.mod.release('failover', { value: 'before' })).status), { within: 20_000, every: 200 });
		expect((await waiter.reply).status).toBe(200);
		await expect.poll(() => entries(page), { timeout: 10_000 }).toEqual(['after']);
	} finally {
		await leader.restart();
	}
	await gateway.mod.release('failover', { value: 'after' });
	await detail(page).getByText('Nobody holds it').waitFor();
});
