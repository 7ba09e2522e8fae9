// The locks, live: against real gateways that are reloaded and killed, and etcds whose
// leader dies.

import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { locks as company } from './company.ts';
import { clientsKey, seedQueues } from './seed.ts';
import { axe, eventually, expect, press, shot, tabTo, test, useWorld, type Gateway } from './test.ts';
import { Cluster } from './world/cluster.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
let readOnly: Gateway;
let v2: Gateway;
beforeAll(async () => {
	const [three, old] = await Promise.all([world.cluster({ members: 3 }), world.cluster({ version: '3.5' })]);
	cluster = three;
	[gateway, readOnly, v2] = await Promise.all([
		world.gateway({ etcd: three }),
		world.gateway({ etcd: three, readOnly: true }),
		world.gateway({ etcd: old, api: 'v2' }),
	]);
	world.onEnd(() => [gateway, v2].forEach(({ mod }) => mod.abortAll()));
	await seedQueues(gateway.mod);
});

/** The line of a lock. */
const line = (page: Page, name: string): Locator => page.locator('.queues-line').filter({ has: page.locator('.queues-name').getByText(name, { exact: true }) });
const holder = (page: Page, name: string): Locator => line(page, name).locator('.queues-holder');
const waiters = (page: Page, name: string): Promise<string[]> => line(page, name).locator('.queues-waiter').allInnerTexts();
const detail = (page: Page): Locator => page.locator('.queues-detail');
const entries = (page: Page): Promise<string[]> => detail(page).locator('.queues-entry .cut').allInnerTexts();
const live = (page: Page): Promise<void> => page.getByRole('status').getByText('live', { exact: true }).waitFor();
const at = (name: string): string => `locks/?name=${encodeURIComponent(name)}`;

/** How many milliseconds it takes from now until the page shows it. */
async function until(look: () => Promise<boolean>): Promise<number> {
	const began = performance.now();
	await eventually(look, { every: 10 });
	return performance.now() - began;
}

describe('twenty locks', () => {
	test('their holders and queues, in order', async ({ open }) => {
		const { page, seen } = await open(gateway.page('locks'));
		await live(page);
		await page.getByText('20 locks, 20 held').waitFor();
		for (const { key, who } of company()) {
			await line(page, key).scrollIntoViewIfNeeded();
			expect(await holder(page, key).innerText()).toContain(who[0]);
			const shown = await waiters(page, key);
			expect(shown).toEqual(who.slice(1, 1 + shown.length));
			const more = line(page, key).locator('.queues-more');
			if (shown.length < who.length - 1) expect(await more.innerText()).toBe(`+${who.length - 1 - shown.length} more`);
			else expect(await more.count()).toBe(0);
		}
		expect(seen.matching(/\/mod\/v2\/lock\//).map(({ url }) => new URL(url).search)).toEqual(['?prefix=', '?limit=1000']);
	});

	test('are filtered and sorted, and the address says so', async ({ open }) => {
		const { page } = await open(gateway.page('locks'));
		const names = (): Promise<string[]> => page.locator('.queues-name').allInnerTexts();
		await page.getByRole('searchbox').fill('DEPLOY');
		await expect.poll(names).toEqual(['deploy/checkout', 'deploy/payments', 'deploy/storefront']);
		await page.getByRole('searchbox').fill(company().find(({ key }) => key === 'payments/settlement')!.who[9]!);
		await expect.poll(names).toContain('payments/settlement');
		await page.getByRole('searchbox').fill('pay');
		await page.getByRole('link', { name: 'Queue' }).click();
		await expect.poll(names).toEqual(['payments/settlement', 'payments/refunds', 'deploy/payments']);
		await page.reload();
		await expect.poll(names).toEqual(['payments/settlement', 'payments/refunds', 'deploy/payments']);
		await page.getByRole('searchbox').fill('none of them');
		await page.getByText('None fits').waitFor();
	});
});

describe('what happens', () => {
	test('shows within a second: who comes, goes, and gets it', async ({ open }) => {
		const { page } = await open(gateway.page('locks'));
		const { mod } = gateway;
		await live(page);
		const took: Record<string, number> = {};
		const index = await mod.lock('live/a', { value: 'first', ttl: 300 });
		took['new'] = await until(async () => (await holder(page, 'live/a').count()) > 0);
		const second = mod.acquire('live/a', { value: 'second' });
		took['queued'] = await until(async () => (await waiters(page, 'live/a')).join() === 'second');
		const third = mod.acquire('live/a', { value: 'third' });
		await until(async () => (await waiters(page, 'live/a')).join() === 'second,third');
		const fourth = mod.acquire('live/a', { value: 'fourth' });
		await until(async () => (await waiters(page, 'live/a')).join() === 'second,third,fourth');
		third.abort();
		took['left'] = await until(async () => (await waiters(page, 'live/a')).join() === 'second,fourth');
		const released = mod.release('live/a', { index });
		took['handover'] = await until(async () => (await holder(page, 'live/a').innerText()).startsWith('second') && (await waiters(page, 'live/a')).join() === 'fourth');
		await Promise.all([released, second.reply]);
		fourth.abort();
		await mod.release('live/a', { value: 'second' });
		took['free'] = await until(async () => (await holder(page, 'live/a').count()) === 0);
		await until(async () => (await line(page, 'live/a').count()) === 0);
		console.log('milliseconds until shown:', Object.fromEntries(Object.entries(took).map(([what, ms]) => [what, Math.round(ms)])));
		for (const [what, ms] of Object.entries(took)) expect(ms, what).toBeLessThan(1000);
	});

	test('a grant moves the next one into the holder’s place, unless little motion is wanted', async ({ open }) => {
		const { mod } = gateway;
		const moved = async (reducedMotion: boolean): Promise<number> => {
			const name = `moves/${reducedMotion}`;
			const index = await mod.lock(name, { value: 'first' });
			const second = mod.acquire(name, { value: 'second' });
			const { page } = await open(gateway.page('locks'), { reducedMotion });
			await eventually(async () => (await waiters(page, name)).join() === 'second');
			await page.evaluate(() => {
				const { animate } = Element.prototype;
				Object.assign(window, { moves: 0 });
				Element.prototype.animate = function (...given) {
					(window as unknown as { moves: number }).moves++;
					return animate.apply(this, given);
				};
			});
			await mod.release(name, { index });
			await second.reply;
			await eventually(async () => (await holder(page, name).innerText()).startsWith('second'));
			await mod.release(name, { value: 'second' });
			return page.evaluate(() => (window as unknown as { moves: number }).moves);
		};
		expect(await moved(false)).toBe(1);
		expect(await moved(true)).toBe(0);
	});

	test('TTLs are the server’s, within a second, wherever they are shown and also when they are renewed', async ({ open }) => {
		const { mod } = gateway;
		/** When it is over, if its time begins while that is done. */
		const over = async <T>(ttl: number, begin: () => Promise<T>): Promise<{ result: T; from: number; to: number }> => {
			const from = Date.now() + ttl * 1000;
			const result = await begin();
			return { result, from, to: Date.now() + ttl * 1000 };
		};
		// The page's clock ticks four times a second, and in which part of the time that an
		// answer took it was true is not known.
		const slack = 0.3;
		const agree = async (what: string, shown: Locator, { from, to }: { from: number; to: number }): Promise<void> => {
			const [text, at] = await shown.evaluate((element): [string, number] => [(element as HTMLElement).innerText, Date.now()]);
			const [least, most] = [(from - at) / 1000 - 1 - slack, (to - at) / 1000 + 1 + slack];
			expect(seconds(text), `${what}: ${text}`).toBeGreaterThanOrEqual(least);
			expect(seconds(text), `${what}: ${text}`).toBeLessThanOrEqual(most);
		};

		// Of one that was there before, and of one that is granted while it is looked at.
		const before = await over(40, () => mod.lock('live/ttl', { value: 'x', ttl: 40 }));
		const [{ page }, leases] = await Promise.all([open(gateway.page(at('live/ttl'))), open(gateway.page(`leases/?filter=${encodeURIComponent('live%2Fttl')}`))]);
		await live(page);
		const meanwhile = await over(30, () => mod.lock('live/granted', { value: 'y', ttl: 30 }));
		const left = (name: string): Locator => holder(page, name).locator('.left');
		const lease = leases.page.locator('.leases-line').filter({ hasText: 'lock live/ttl' }).locator('.leases-ttl > span');
		await Promise.all([left('live/ttl').waitFor(), left('live/granted').waitFor(), lease.waitFor()]);
		for (let i = 0; i < 8; i++) {
			await agree('locks', left('live/ttl'), before);
			await agree('granted', left('live/granted'), meanwhile);
			await agree('its detail', detail(page).locator('.left'), before);
			const words = await lease.evaluate((element): [string, number] => [(element as HTMLElement).innerText.split(' of ')[0] ?? '', Date.now()]);
			expect(Math.abs(seconds(words[0]) - (before.to - words[1]) / 1000), `lease: ${words[0]}`).toBeLessThanOrEqual(1 + slack);
			await page.waitForTimeout(230);
		}
		const renewed = await over(300, () => mod.renew('live/ttl', { index: before.result, ttl: 300 }));
		await eventually(async () => seconds(await left('live/ttl').innerText()) > 250, { within: 4_000 });
		for (let i = 0; i < 4; i++) {
			await agree('renewed', left('live/ttl'), renewed);
			await page.waitForTimeout(230);
		}
		await Promise.all([mod.release('live/ttl', { index: before.result }), mod.release('live/granted', { index: meanwhile.result })]);
	});

	test('a time that runs out is told as that', async ({ open }) => {
		const { mod } = gateway;
		const { page } = await open(gateway.page(at('live/short')));
		await live(page);
		await mod.lock('live/short', { value: 'sleeper', ttl: 1 });
		await detail(page).locator('li').filter({ hasText: 'expired' }).getByText('sleeper').waitFor();
		await detail(page).getByText('Nobody holds it').waitFor();
	});
});

describe('one of them', () => {
	test('its whole queue, by keyboard, and back', async ({ open }) => {
		const { page } = await open(gateway.page('locks'));
		await live(page);
		const grid = page.getByRole('grid', { name: 'Locks' });
		await line(page, 'deploy/checkout').waitFor();
		await tabTo(page, grid);
		await press(page, 'ArrowDown', 'Enter');
		const { key, who } = company()[0]!;
		await expect.poll(() => page.url()).toBe(gateway.page(`locks/?name=${key}`));
		await expect.poll(() => entries(page)).toEqual(who);
		await tabTo(page, detail(page).getByRole('button', { name: /^Release/ }));
		await press(page, 'Enter');
		await page.getByRole('dialog').waitFor();
		await press(page, 'Escape');
		expect(await page.getByRole('dialog').count()).toBe(0);
		await press(page, 'Escape');
		await expect.poll(() => page.url()).toBe(gateway.page('locks/'));
		expect(await entries(page)).toEqual([]);
		await expect.poll(() => grid.evaluate((element) => element === document.activeElement)).toBe(true);
	});

	test('a free one says so, and comes to life', async ({ open }) => {
		const { page } = await open(gateway.page(at('free one')));
		await detail(page).getByText('Nobody holds it').waitFor();
		expect(await detail(page).locator('.command code').innerText()).toContain(`${gateway.url}/mod/v2/lock/free%20one?ttl=60`);
		const index = await gateway.mod.lock('free one', { value: 'x' });
		await expect.poll(() => entries(page)).toEqual(['x']);
		await gateway.mod.release('free one', { index });
		await detail(page).getByText('Nobody holds it').waitFor();
	});

	test('is released and cancelled after it has been asked', async ({ open }) => {
		const { mod } = gateway;
		const name = 'act/one';
		await mod.lock(name, { value: 'a', ttl: 300 });
		const b = mod.acquire(name, { value: 'b' });
		await eventually(async () => (await mod.queue(name)).queue.length === 2);
		const c = mod.acquire(name, { value: 'c' });
		await eventually(async () => (await mod.queue(name)).queue.length === 3);
		const { page } = await open(gateway.page(at(name)));
		await expect.poll(() => entries(page)).toEqual(['a', 'b', 'c']);
		await detail(page).getByRole('button', { name: /^Cancel b,/ }).click();
		await page.getByRole('dialog').getByText(/answered with 410.*If it gets its turn.*it is released instead/).waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Cancel its place' }).click();
		expect((await b.reply).status).toBe(410);
		await expect.poll(() => entries(page)).toEqual(['a', 'c']);
		await detail(page).getByRole('button', { name: /^Release a,/ }).click();
		await page.getByRole('dialog').getByText('still believes that it holds the lock until it asks again').waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
		expect((await c.reply).status).toBe(200);
		await expect.poll(() => entries(page)).toEqual(['c']);
		await page.getByText(/a \(index \d+\) no longer holds it/).waitFor();
		await mod.release(name, { value: 'c' });
	});

	test('that changes hands while it is asked is left alone', async ({ open }) => {
		const { mod } = gateway;
		const name = 'act/two';
		const index = await mod.lock(name, { value: 'same' });
		const { page, seen } = await open(gateway.page(at(name)));
		await detail(page).getByRole('button', { name: /^Release/ }).click();
		await page.getByRole('dialog').getByText('Nobody waits').waitFor();
		await mod.release(name, { index });
		const next = await mod.lock(name, { value: 'same' });
		await page.getByRole('dialog').getByText('has gone meanwhile').waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
		await page.getByText('had gone already').waitFor();
		expect(seen.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
		expect((await mod.queue(name)).index).toBe(next);
		// And one that waited has got its turn.
		const waiter = mod.acquire(name, { value: 'turn' });
		await detail(page).getByRole('button', { name: /^Cancel turn/ }).click();
		await mod.release(name, { index: next });
		await waiter.reply;
		await page.getByRole('dialog').getByText('holds it since a moment ago').waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Cancel its place' }).click();
		await page.getByRole('dialog').getByText('Somebody else has changed it meanwhile').waitFor();
		expect((await mod.queue(name)).value).toBe('turn');
		await mod.release(name, { value: 'turn' });
	});

	test('says how many more there are than are shown', async ({ open }) => {
		const { mod } = gateway;
		await mod.lock('long', { value: 'holder' });
		const many = Array.from({ length: 1100 }, () => mod.acquire('long'));
		await eventually(async () => (await mod.queue('long')).queue.length === 1101, { within: 30_000 });
		const { page } = await open(gateway.page(at('long')));
		await detail(page).getByText('and 101 more. The gateway tells of the first 1,000.').waitFor();
		expect(await line(page, 'long').locator('.queues-length').innerText()).toBe('1100');
		expect(await page.locator('.queues-entry').count()).toBeLessThan(60);
		// All of them leave, and the page is with the server.
		for (const waiter of many) waiter.abort();
		await eventually(async () => (await mod.queue('long')).queue.length === 1, { within: 40_000, every: 100 });
		const took = await until(async () => (await line(page, 'long').locator('.queues-length').innerText()) === '');
		console.log('milliseconds from then on until the page shows that 1,100 have left:', Math.round(took));
		await mod.release('long', { value: 'holder' });
	});

	test('is read only where the gateway says so', async ({ open }) => {
		const { page } = await open(readOnly.page(at('deploy/checkout')));
		const release = detail(page).getByRole('button', { name: /^Release/ });
		await release.waitFor();
		expect(await release.isDisabled()).toBe(true);
		expect(await release.getAttribute('title')).toContain('read_only');
	});
});

describe('faults', () => {
	test('a gateway that is reloaded, killed and started again', async ({ open }) => {
		const own = await world.gateway({ etcd: cluster });
		const { page } = await open(own.page(at('fault')), { tolerate: ['console'] });
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
		const said = (page: Page): Promise<string[]> => page.locator('main').getByRole('status').getByText('live', { exact: true }).allInnerTexts();
		for (const page of pages) await page.locator('main').getByRole('status').getByText('live', { exact: true }).first().waitFor();
		const [, one, two] = three.members;
		await Promise.all([one?.kill(), two?.kill()]);
		const took = await until(async () => (await Promise.all(pages.map(said))).flat().length === 0);
		console.log('milliseconds until no page says live:', Math.round(took));
		expect(took).toBeLessThan(10_000);
		await Promise.all([one?.restart(), two?.restart()]);
		await three.etcd().put('later', 'x');
		for (const [i, page] of pages.entries()) await expect.poll(() => said(page), { timeout: 20_000 }).toHaveLength(i === 1 ? 2 : 1);
		await pages[0]?.getByText('later', { exact: true }).first().waitFor();
		await own.stop();
	});

	test('etcd’s leader dies', async ({ open }) => {
		const { page } = await open(gateway.page(at('failover')), { tolerate: ['console'] });
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
});

describe('etcd’s own clients', () => {
	test('are the only stream while they are looked at', async ({ open }) => {
		const { page, seen } = await open(gateway.page('locks/'));
		await live(page);
		await page.getByRole('link', { name: 'etcd’s own clients' }).click();
		await live(page);
		const streams = (): string[] => seen.requests.filter(({ answered, ended }) => answered !== undefined && ended === undefined).map(({ url }) => new URL(url).pathname);
		await expect.poll(streams).toEqual(['/v3/watch']);
		await page.getByRole('link', { name: 'The gateway’s' }).click();
		await live(page);
		await expect.poll(streams).toEqual(['/mod/v2/lock/']);
	});

	test('are found, are told of, and are in their order', async ({ open }) => {
		const etcd = cluster.etcd();
		const make = async (prefix: string, value = ''): Promise<string> => {
			const lease = await etcd.grant(300);
			await etcd.put(clientsKey(prefix, lease), value, lease);
			return lease;
		};
		const first = await make('/app/mutex');
		const second = await make('/app/mutex');
		await make('/app/election', 'candidate');
		await etcd.put('/app/mutex/ff', ''); // no lease
		const { page } = await open(gateway.page('locks/?by=clients'));
		const hex = (lease: string): string => `lease ${BigInt(lease).toString(16).padStart(16, '0')}`;
		const shown = async (): Promise<string[]> => [await holder(page, '/app/mutex').innerText(), ...(await waiters(page, '/app/mutex'))];
		await expect.poll(shown).toEqual([hex(first), hex(second)]);
		expect(await page.locator('.queues-name').allInnerTexts()).toEqual(['/app/mutex']);
		const third = await make('/app/mutex');
		await expect.poll(shown, { timeout: 1000 }).toEqual([hex(first), hex(second), hex(third)]);
		await etcd.revoke(first);
		await expect.poll(shown, { timeout: 1000 }).toEqual([hex(second), hex(third)]);
		expect(await page.getByText('/_etcd/').count()).toBe(0);
		await shot({ page, scheme: 'light', width: 'wide' } as Parameters<typeof shot>[0], 'locks-clients');
		await axe(page);
	});

	test('are not looked for among very many keys before it has been asked', async ({ open }) => {
		const many = await world.cluster();
		const etcd = many.etcd();
		await etcd.fill(25_000, '/many/');
		const lease = await etcd.grant(300);
		await etcd.put(clientsKey('/zz/mutex', lease), '', lease);
		const own = await world.gateway({ etcd: many });
		const { page, seen } = await open(own.page('locks/?by=clients'));
		await page.getByText('There are 25,001 keys').waitFor();
		expect(seen.matching('/v3/kv/range')).toHaveLength(1);
		await page.getByRole('button', { name: 'Look at all keys' }).click();
		await line(page, '/zz/mutex').waitFor();
		await page.getByRole('status').getByText('live').waitFor();
		for (const { size } of seen.matching('/v3/kv/range')) expect(size).toBeLessThan(1 << 20);
		await page.getByLabel('Only below this prefix').fill('/zz/');
		await page.getByRole('button', { name: 'Look' }).click();
		await line(page, '/zz/mutex').waitFor();
		await page.reload();
		await line(page, '/zz/mutex').waitFor();
	});
});

test('none yet', async ({ open }) => {
	const { page } = await open(v2.page('locks'));
	await page.getByText('No locks yet').waitFor();
	expect(await page.locator('.command code').innerText()).toBe(`curl -X POST '${v2.url}/mod/v2/lock/customer1?ttl=60'`);
	await axe(page);
});

test('over the v2 API', async ({ open }) => {
	const { mod } = v2;
	const { page } = await open(v2.page(at('old/one')));
	await live(page);
	expect(await page.getByText('own clients').count()).toBe(0);
	await mod.lock('old/one', { value: 'a', ttl: 100 });
	const b = mod.acquire('old/one', { value: 'b' });
	const took = await until(async () => (await entries(page)).join() === 'a,b');
	expect(took).toBeLessThan(1000);
	const before = (await mod.queue('old/one')).ttl;
	const here = seconds(await detail(page).locator('.left').innerText());
	expect(here).toBeLessThanOrEqual(before + 1);
	expect(here).toBeGreaterThanOrEqual((await mod.queue('old/one')).ttl - 1);
	await detail(page).getByRole('button', { name: /^Release a,/ }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
	expect((await b.reply).status).toBe(200);
	await expect.poll(() => entries(page)).toEqual(['b']);
	await mod.release('old/one', { value: 'b' });
});

// shots.test.ts has the others.
test.for([
	['light', 'wide'],
	['dark', 'narrow'],
] as const)('what is asked: a picture in %s and %s, and axe', async ([scheme, width], { open }) => {
	const visit = await open(gateway.page(at('terraform/network')), { scheme, width, reducedMotion: true });
	const { page } = visit;
	await detail(page).getByRole('button', { name: /^Release/ }).click();
	await shot(visit, 'locks-ask');
	await axe(page);
	expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
});

/** The seconds of a duration, as the page says it. */
function seconds(text: string): number {
	const of: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };
	return [...text.matchAll(/(\d+)([smhd])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * of[unit!]!, 0);
}
