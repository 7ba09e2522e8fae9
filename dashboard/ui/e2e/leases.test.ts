// The leases: what is left of them, what hangs on them, and an end to them.

import type { Locator, Page } from 'playwright-core';
import { beforeAll } from 'vitest';
import { axe, eventually, expect, press, shot, sleep, tabTo, test, useWorld, type Cluster, type Gateway } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
let readOnly: Gateway;
let v2: Gateway;
let plain: string;
let empty: string;
beforeAll(async () => {
	const [one, old] = await Promise.all([world.cluster(), world.cluster({ version: '3.5' })]);
	cluster = one;
	[gateway, readOnly, v2] = await Promise.all([world.gateway({ etcd: one }), world.gateway({ etcd: one, readOnly: true }), world.gateway({ etcd: old, api: 'v2' })]);
	world.onEnd(() => gateway.mod.abortAll());
	const etcd = one.etcd();
	[plain, empty] = await Promise.all([etcd.grant(600), etcd.grant(3000)]);
	await etcd.putAll(Array.from({ length: 12 }, (_, i) => [`/sessions/${String(i).padStart(2, '0')}`, 'x', plain]));
	await gateway.mod.lock('customer1', { value: 'bar', ttl: 900 });
	gateway.mod.acquire('customer1', { value: 'waits' });
	await gateway.mod.campaign('orders', 'orders-1', { ttl: 1200 }).reply;
	await eventually(async () => (await gateway.mod.queue('customer1')).queue.length === 2);
});

const hex = (id: string): string => BigInt.asUintN(64, BigInt(id)).toString(16).padStart(16, '0');
const line = (page: Page, id: string): Locator => page.locator('.leases-line').filter({ hasText: hex(id) });
const detail = (page: Page): Locator => page.locator('.queues-detail');
const at = (id: string): string => `leases/?id=${hex(id)}`;
const shortest = 5; // seconds, less than any of these leases is granted for
const asked = (seen: { matching(path: string): unknown[] }): number => seen.matching('/v3/lease/timetolive').length;

test('how long they have, and what hangs on them', async ({ open }) => {
	const { page, seen } = await open(gateway.page('leases'));
	await expect.poll(() => line(page, plain).innerText()).toMatch(/(10m 0s|9m \d+s) of 10m 0s\s+12\s+\/sessions\/00/);
	expect(await line(page, plain).getByText('+6 more').count()).toBe(1);
	await expect.poll(() => line(page, empty).innerText()).toMatch(/of 50m 0s\s+0\s+nothing/);
	await page.locator('.leases-line').filter({ hasText: 'lock customer1, held by bar' }).waitFor();
	await page.locator('.leases-line').filter({ hasText: 'election orders, led by orders-1' }).waitFor();
	await page.locator('.leases-line').filter({ hasText: 'a gateway, and 1 who waits through it' }).waitFor();
	const leases = await cluster.etcd().leases();
	expect(await page.locator('.leases-line').count()).toBe(leases.length);
	// Once each, and again only when its time was over.
	for (const id of leases) {
		const looks = seen.matching('/v3/lease/timetolive').filter(({ body, status }) => status === 200 && body.includes(id));
		expect(looks.length, hex(id)).toBeGreaterThan(0);
		for (const [i, look] of looks.entries()) {
			const last = looks[i - 1];
			if (last) expect(look.sent - last.sent, hex(id)).toBeGreaterThan(shortest * 1000);
		}
	}
	const left = Number(/(\d+)m/.exec(await line(page, plain).innerText())![1]);
	expect(Math.abs((await cluster.etcd().timeToLive(plain)) / 60 - left)).toBeLessThan(1.1);
	await page.getByRole('link', { name: /lock customer1/ }).click();
	await expect.poll(() => page.url()).toBe(gateway.page('locks/?name=customer1'));
});

test('keys that come and go are told, and nothing is asked meanwhile', async ({ open }) => {
	const etcd = cluster.etcd();
	const { page, seen } = await open(gateway.page('leases'));
	await expect.poll(() => line(page, empty).innerText()).toContain('nothing');
	await page.getByRole('status').getByText('live', { exact: true }).waitFor();
	await expect.poll(() => page.locator('.leases-left').getByText('…').count()).toBe(0);
	await sleep(1_500);
	await etcd.put('/late', 'x', empty);
	await expect.poll(() => line(page, empty).innerText(), { timeout: 1000 }).toContain('/late');
	const mine = await etcd.grant(500);
	await etcd.put('/new', 'x', mine);
	await expect.poll(() => line(page, mine).count(), { timeout: 1000 }).toBe(1);
	await expect.poll(() => line(page, mine).innerText()).toContain('/new');
	const before = asked(seen);
	await etcd.put('/elsewhere', 'x');
	await sleep(3_000);
	expect(asked(seen)).toBe(before);
	await etcd.delete('/late');
	await expect.poll(() => line(page, empty).innerText(), { timeout: 1000 }).toContain('nothing');
	await etcd.revoke(mine);
	await expect.poll(() => line(page, mine).count(), { timeout: 2000 }).toBe(0);
	// Of one without a key nobody tells.
	const silent = await etcd.grant(500);
	await page.getByRole('button', { name: 'Refresh' }).click();
	await expect.poll(() => line(page, silent).innerText()).toContain('of 8m 20s');
	await etcd.revoke(silent);
});

test('what happens while the gateway is away shows afterwards', async ({ open }) => {
	const etcd = cluster.etcd();
	const own = await world.gateway({ etcd: cluster });
	const mine = await etcd.grant(900);
	const { page } = await open(own.page('leases'), { tolerate: ['console'] });
	await expect.poll(() => line(page, mine).innerText()).toContain('nothing');
	await own.kill();
	await page.getByRole('status').getByText('reconnecting').waitFor();
	await etcd.put('/meanwhile', 'x', mine);
	await own.restart();
	await expect.poll(() => line(page, mine).innerText(), { timeout: 10_000 }).toContain('/meanwhile');
	await etcd.revoke(mine);
	await own.stop();
});

test('one that ends is gone, with a key and without', async ({ open }) => {
	const etcd = cluster.etcd();
	const [one, two] = await Promise.all([etcd.grant(5), etcd.grant(5)]);
	await etcd.put('/short', 'x', one);
	const { page } = await open(gateway.page('leases'));
	await page.locator('.leases-line').first().waitFor();
	await expect.poll(async () => (await line(page, one).count()) + (await line(page, two).count()), { timeout: 15_000 }).toBe(0);
});

test('one of them: its keys, and revoked after it has been asked', async ({ open }) => {
	const etcd = cluster.etcd();
	const mine = await etcd.grant(700);
	await etcd.putAll(['/mine/a', '/mine/b', '/mine/<img src=x onerror=alert(1)>'].map((key): [string, string, string] => [key, 'x', mine]));
	const { page } = await open(gateway.page(at(mine)));
	await expect.poll(() => detail(page).locator('.leases-one').allInnerTexts()).toEqual(['/mine/<img src=x onerror=alert(1)>', '/mine/a', '/mine/b']);
	expect(await detail(page).getByRole('link', { name: '/mine/a' }).getAttribute('href')).toContain('keys/?key=/mine/a');
	await tabTo(page, detail(page).getByRole('button', { name: 'Revoke' }));
	await press(page, 'Enter');
	const dialog = page.getByRole('dialog');
	await dialog.getByText('/mine/b').waitFor();
	await dialog.getByText('<img src=x').waitFor();
	// One more comes to it while that is asked.
	await etcd.put('/mine/c', 'x', mine);
	await dialog.getByRole('button', { name: 'Revoke, and delete 3 keys' }).click();
	await dialog.getByText('Somebody else has changed it meanwhile').waitFor();
	expect(await etcd.count('/mine/')).toBe(4);
	await press(page, 'Escape');
	await detail(page).getByRole('button', { name: 'Revoke' }).click();
	await dialog.getByRole('button', { name: 'Revoke, and delete 4 keys' }).click();
	await detail(page).getByText('There is no such lease').waitFor();
	expect(await etcd.count('/mine/')).toBe(0);
	expect(await line(page, mine).count()).toBe(0);
});

test('what the gateway holds is said to be that, before it is revoked', async ({ open }) => {
	const { page } = await open(gateway.page('leases'));
	await page.locator('.leases-line').filter({ hasText: 'election orders' }).locator('.leases-id').click();
	await detail(page).getByRole('button', { name: 'Revoke' }).click();
	await page.getByRole('dialog').getByText('It is a hold of the gateway’s').waitFor();
	await press(page, 'Escape');
});

test('thousands: only those that are seen are asked for', async ({ open }) => {
	const etcd = cluster.etcd();
	const ids: string[] = [];
	await Promise.all(
		Array.from({ length: 16 }, async () => {
			while (ids.length < 1000) ids.push(await etcd.grant(5000));
		}),
	);
	const { page, seen } = await open(gateway.page('leases'));
	await page.getByText(/1,0\d\d leases/).waitFor();
	await expect.poll(() => page.locator('.leases-left').getByText('…').count()).toBe(0);
	expect(asked(seen)).toBeLessThan(60);
	expect(await page.locator('.leases-line').count()).toBeLessThan(60);
	await page.getByRole('searchbox').fill(hex(ids[500]!));
	await expect.poll(() => page.locator('.leases-line').count()).toBe(1);
	await Promise.all(ids.map((id) => etcd.revoke(id)));
});

test('read only, where the gateway says so', async ({ open }) => {
	const { page } = await open(readOnly.page(at(plain)));
	const revoke = detail(page).getByRole('button', { name: 'Revoke' });
	await revoke.waitFor();
	expect(await revoke.isDisabled()).toBe(true);
	expect(await revoke.getAttribute('title')).toContain('read_only');
});

test('an address that is none, and an API without leases', async ({ open }) => {
	const { page } = await open(gateway.page('leases/?id=zz'));
	await detail(page).getByText('This is no lease').waitFor();
	await page.goto(gateway.page('leases/?id=1234'));
	await detail(page).getByText('There is no such lease').waitFor();
	const old = await open(v2.page('leases/'));
	await old.page.getByText('The v2 API has no leases').waitFor();
	await axe(old.page);
});

// shots.test.ts has the others.
test.for([
	['light', 'wide'],
	['dark', 'narrow'],
] as const)('one of them: a picture in %s and %s, and axe', async ([scheme, width], { open }) => {
	const visit = await open(gateway.page(at(plain)), { scheme, width, reducedMotion: true });
	const { page } = visit;
	await detail(page).getByText('/sessions/11').waitFor();
	await shot(visit, 'leases-one');
	await axe(page);
	await detail(page).getByRole('button', { name: 'Revoke' }).click();
	await page.getByRole('dialog').getByText('and 4 more').waitFor();
	await shot(visit, 'leases-ask');
	await axe(page);
	expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
});
