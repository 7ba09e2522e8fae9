// The overview: is the cluster well, and what is it doing? Members stop, hang and come
// back here.

import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, onTestFinished } from 'vitest';
import { axe, eventually, expect, sleep, test, useWorld, type Cluster, type Gateway } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
let partial: Gateway;
let fullCluster: Cluster;
let full: Gateway;
let embedded: Gateway;
let v2: Gateway;
beforeAll(async () => {
	const [three, quota, old] = await Promise.all([
		world.cluster({ members: 3 }),
		world.cluster({ flags: ['--quota-backend-bytes=8000000'] }),
		world.cluster({ version: '3.5' }),
	]);
	cluster = three;
	fullCluster = quota;
	[gateway, full, embedded, v2, partial] = await Promise.all([
		world.gateway({ etcd: three }),
		world.gateway({ etcd: quota }),
		world.gateway({ etcd: 'embedded' }),
		world.gateway({ etcd: old, api: 'v2' }),
		world.gateway({ etcd: 'embedded', caddyfile: ({ admin, site }) => `{\n\tadmin ${admin}\n\tetcd {\n\t\tendpoints ${three.endpoints[0]}\n\t}\n\tservers {\n\t\tprotocols h1\n\t}\n}\n${site} {\n\tbind 127.0.0.1\n\tetcd\n}\n` }),
	]);
});

const title = (page: Page): Locator => page.locator('.overview-title');
const row = (page: Page, name: string): Locator => page.locator(`[data-member="${name}"]`);
const reads = (page: Page, words: string | RegExp, within = 10_000): Promise<unknown> => title(page).filter({ hasText: words }).waitFor({ timeout: within });
const well = (page: Page, within?: number): Promise<unknown> => reads(page, /^All 3 members answer\. member\d leads since term \d+\.$/, within);

describe('three members', () => {
	test('who leads, and how they are', async ({ open }) => {
		const { page } = await open(gateway.page());
		await well(page);
		const leader = await cluster.leader();
		await reads(page, `${leader.name} leads`);
		expect(await page.locator('[data-member]').filter({ hasText: 'leader' }).getAttribute('data-member')).toBe(leader.name);
		const { version } = await cluster.etcd().status();
		for (const { name } of cluster.members) {
			const text = await row(page, name).innerText();
			expect(text).toContain('answers');
			expect(text).toContain(version);
			expect(text).toMatch(/KiB of \d/);
		}
		// From each to each of the others.
		await expect.poll(() => page.locator('.overview-trips td').allInnerTexts().then((all) => all.filter((t) => /\d/.test(t)).length), { timeout: 20_000 }).toBe(6);
	});

	test('the last minutes, as charts, also after another page', async ({ open }) => {
		const { page, seen } = await open(gateway.page());
		const etcd = cluster.etcd();
		let stopped = false;
		onTestFinished(() => void (stopped = true));
		const writing = (async () => {
			for (let i = 0; !stopped; i++) await etcd.put('/overview/traffic', String(i)).catch(() => undefined);
		})();
		const plots = page.locator('.overview-plot canvas');
		await expect.poll(() => plots.count(), { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
		const painted = (): Promise<number[]> =>
			plots.evaluateAll((all) => {
				const probe = document.createElement('canvas').getContext('2d')!;
				const color = getComputedStyle(document.documentElement).getPropertyValue('--overview-0').trim();
				probe.fillStyle = color;
				probe.fillRect(0, 0, 1, 1);
				const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
				return (all as HTMLCanvasElement[]).map((canvas) => {
					const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
					let n = 0;
					for (let i = 0; i < data.length; i += 4) if (data[i + 3]! > 100 && Math.abs(data[i]! - r!) + Math.abs(data[i + 1]! - g!) + Math.abs(data[i + 2]! - b!) < 60) n++;
					return n;
				});
			});
		await eventually(async () => (await painted()).every((n) => n > 5), { what: 'each chart has the first member’s line' });
		const rate = page.getByRole('figure', { name: 'Requests, per second' }).locator('li').first();
		await expect.poll(async () => Number((await rate.locator('.data').innerText()).replace(',', '')), { timeout: 15_000 }).toBeGreaterThan(5);
		const seconds = async (): Promise<number> => Number(/Last (\d+) seconds/.exec(await page.locator('.overview-last h2').innerText())?.[1] ?? 0);
		await expect.poll(seconds).toBeGreaterThan(5);

		// The cursor is in all charts at once, and the values are those of its time.
		await page.locator('.u-over').first().hover({ position: { x: 180, y: 40 } });
		await page.locator('.overview-last h2', { hasText: /^At \d\d:\d\d:\d\d$/ }).waitFor();
		expect(await page.locator('.u-cursor-x:not(.u-off)').count()).toBe(await plots.count());
		await page.mouse.move(0, 0);

		const before = seen.matching('/api/cluster').length;
		const was = await seconds();
		await page.getByRole('navigation').getByRole('link', { name: 'Leases' }).click();
		await page.getByRole('heading', { name: 'Leases', level: 1 }).waitFor();
		await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click();
		await expect.poll(seconds).toBeGreaterThanOrEqual(was);
		await expect.poll(() => seen.matching('/api/cluster').length).toBeGreaterThan(before);
		stopped = true;
		await writing;
	});

	test('it asks for the state of the cluster, one request at a time, and not while it is hidden', async ({ open }) => {
		const { page, seen } = await open(gateway.page());
		const all = (): typeof seen.requests => seen.matching('/api/cluster');
		await expect.poll(() => all().length).toBeGreaterThanOrEqual(3);
		const [first, second, third] = all();
		expect(second!.sentAt! - first!.sentAt!).toBeGreaterThan(1_700);
		expect(third!.sentAt! - second!.sentAt!).toBeGreaterThan(1_700);
		expect(second!.sent).toBeGreaterThan(first!.ended!);
		const hide = (hidden: boolean): Promise<void> =>
			page.evaluate((value) => {
				Object.defineProperty(document, 'hidden', { value, configurable: true });
				document.dispatchEvent(new Event('visibilitychange'));
			}, hidden);
		await hide(true);
		await expect.poll(() => all().every(({ ended }) => ended !== undefined)).toBe(true);
		const then = all().length;
		await sleep(2_500); // in which it would have asked
		expect(all()).toHaveLength(then);
		await hide(false);
		await expect.poll(() => all().length, { timeout: 1_500 }).toBeGreaterThan(then);
	});

	test('a gateway that has no endpoint for some', async ({ open }) => {
		const { page } = await open(partial.page());
		await reads(page, /member0 answers/);
		const other = row(page, 'member1');
		expect(await other.innerText()).toContain('not asked: the gateway has no endpoint for it');
		expect(await other.getAttribute('class')).toBe('unasked');
		await axe(page);
	});

	test('a learner that has been added, and not been started', async ({ open }) => {
		const { page } = await open(gateway.page());
		const etcd = cluster.etcd();
		const { member } = await etcd.call<{ member: { ID: string } }>('/v3/cluster/member/add', { peerURLs: ['http://127.0.0.1:9'], isLearner: true });
		try {
			await reads(page, /127\.0\.0\.1:9 has been added to the cluster, but not been started\./);
			expect(await row(page, '').innerText()).toMatch(/learner[^]*not started yet/);
		} finally {
			await etcd.call('/v3/cluster/member/remove', { ID: member.ID });
		}
		await well(page);
	});
});

describe('what fails', () => {
	const red = (page: Page, name: string, within: number): Promise<unknown> => page.locator(`[data-member="${name}"].down`).waitFor({ timeout: within });

	test('a member that is killed turns red within 5 s, and is well again when it is back', async ({ open }) => {
		const { page } = await open(gateway.page());
		await well(page);
		const follower = await cluster.follower();
		const began = performance.now();
		await follower.kill();
		await red(page, follower.name, 5_000);
		console.log(`killed: red after ${Math.round(performance.now() - began)} ms`);
		expect(await title(page).innerText()).toMatch(new RegExp(`^${follower.name} has not answered since \\d\\d:\\d\\d:\\d\\d\\.$`));
		const text = await row(page, follower.name).innerText();
		expect(text).toMatch(/since \d\d:\d\d:\d\d/);
		expect(text).toMatch(/3\.7\.\d+/); // what it said last
		await axe(page);
		await follower.restart();
		await well(page, 8_000);
		expect(await page.locator('.down').count()).toBe(0);
	});

	test('a member that hangs turns red within 5 s as well', async ({ open }) => {
		const { page } = await open(gateway.page());
		await well(page);
		const follower = await cluster.follower();
		const began = performance.now();
		follower.hang();
		try {
			await red(page, follower.name, 5_000);
			console.log(`hung: red after ${Math.round(performance.now() - began)} ms`);
			expect(await row(page, follower.name).innerText()).toContain('does not answer');
		} finally {
			follower.resume();
		}
		await well(page);
	});

	test('without a leader there is a banner, and it goes when there is one again', async ({ open }) => {
		const { page } = await open(gateway.page());
		await well(page);
		const [first, second] = cluster.members;
		const began = performance.now();
		await Promise.all([first!.kill(), second!.kill()]);
		await reads(page, 'No leader: etcd takes no writes.', 8_000);
		console.log(`no leader: said after ${Math.round(performance.now() - began)} ms`);
		await page.getByText('1 of 3 members is left, and it takes 2.').waitFor();
		await axe(page);
		await Promise.all([first!.restart(), second!.restart()]);
		await well(page);
	});

	test('the gateway: what is shown is as of when, and stays', async ({ open }) => {
		const { page } = await open(gateway.page(), { tolerate: ['console'] });
		await well(page);
		await gateway.kill();
		const note = page.getByRole('alert');
		await note.filter({ hasText: /The gateway does not answer since \d\d:\d\d:\d\d\.[^]*as of \d\d:\d\d:\d\d/ }).waitFor();
		expect(await row(page, 'member0').innerText()).toContain('3.7');
		await axe(page);
		await gateway.restart();
		await note.waitFor({ state: 'detached' });
		await well(page);
	});

	test('a database that is full is said, with what to do', async ({ open }) => {
		const { page } = await open(full.page());
		await reads(page, 'member0 answers, and leads');
		const value = 'x'.repeat(1_000_000);
		await expect(
			(async () => {
				for (let i = 0; i < 20; i++) await fullCluster.etcd().put(`/big/${i}`, value);
			})(),
		).rejects.toThrow('database space exceeded');
		await reads(page, 'etcd is full (NOSPACE): it takes no writes.');
		expect(await page.locator('.overview-commands code').allInnerTexts()).toEqual([expect.stringMatching(/^etcdctl compact \d+$/), 'etcdctl defrag --cluster', 'etcdctl alarm disarm']);
		expect(await row(page, 'member0').innerText()).toContain('its database is full');
		await axe(page);
	});
});

test('an etcd in the gateway itself', async ({ open }) => {
	const { page } = await open(embedded.page());
	await reads(page, /answers, and leads since term \d+\.$/);
	expect(await page.locator('[data-member]').count()).toBe(1);
	expect(await page.locator('.overview-trips').count()).toBe(0);
	await page.getByText('Nothing measured yet').or(page.locator('.overview-plot canvas')).first().waitFor();
});

test('over v2, columns that it has nothing for are left out', async ({ open }) => {
	const { page } = await open(v2.page(), { scheme: 'dark', width: 'narrow' });
	await reads(page, /^member0 answers, and leads/);
	const heads = await page.locator('.overview-members thead th').allInnerTexts();
	expect(heads).not.toContain('Database');
	expect(heads).toContain('Index');
	expect(await row(page, 'member0').innerText()).toContain('3.5');
	expect(await page.locator('.overview-counts').innerText()).not.toContain('Keys');
	await page.locator('.overview-plot canvas').first().waitFor();
	expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
	await axe(page);
});
