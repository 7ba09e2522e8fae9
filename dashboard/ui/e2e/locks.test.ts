// The locks, live: their holders and queues, what happens to them, and an end to it.

import type { Locator } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { locks as company } from './company.ts';
import { address, detail, entries, holder, line, live, until, waiters } from './queues.ts';
import { seedQueues } from './seed.ts';
import { axe, eventually, expect, press, shot, tabTo, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();
let gateway: Gateway;
let readOnly: Gateway;
let v2: Gateway;
beforeAll(async () => {
	const [one, old] = await Promise.all([world.cluster(), world.cluster({ version: '3.5' })]);
	[gateway, readOnly, v2] = await Promise.all([
		world.gateway({ etcd: one }),
		world.gateway({ etcd: one, readOnly: true }),
		world.gateway({ etcd: old, api: 'v2' }),
	]);
	world.onEnd(() => [gateway, v2].forEach(({ mod }) => mod.abortAll()));
	await seedQueues(gateway.mod);
});

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
		const agrees = (what: string, [text, at]: [string, number], { from, to }: { from: number; to: number }): void => {
			const [least, most] = [(from - at) / 1000 - 1 - slack, (to - at) / 1000 + 1 + slack];
			expect(seconds(text), `${what}: ${text}`).toBeGreaterThanOrEqual(least);
			expect(seconds(text), `${what}: ${text}`).toBeLessThanOrEqual(most);
		};
		const agree = async (what: string, shown: Locator, when: { from: number; to: number }): Promise<void> =>
			agrees(what, await shown.evaluate((element): [string, number] => [(element as HTMLElement).innerText, Date.now()]), when);

		// Of one that was there before, and of one that is granted while it is looked at.
		const before = await over(40, () => mod.lock('live/ttl', { value: 'x', ttl: 40 }));
		const [{ page }, leases] = await Promise.all([open(address(gateway, 'locks', 'live/ttl')), open(gateway.page(`leases/?filter=${encodeURIComponent('live%2Fttl')}`))]);
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
			agrees('lease', words, before);
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
		const { page } = await open(address(gateway, 'locks', 'live/short'));
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
		const { page } = await open(address(gateway, 'locks', 'free one'));
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
		const { page } = await open(address(gateway, 'locks', name));
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
		const { page, seen } = await open(address(gateway, 'locks', name));
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
		const { page } = await open(address(gateway, 'locks', 'long'));
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
		const { page } = await open(address(readOnly, 'locks', 'deploy/checkout'));
		const release = detail(page).getByRole('button', { name: /^Release/ });
		await release.waitFor();
		expect(await release.isDisabled()).toBe(true);
		expect(await release.getAttribute('title')).toContain('read_only');
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
	const { page } = await open(address(v2, 'locks', 'old/one'));
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
	const visit = await open(address(gateway, 'locks', 'terraform/network'), { scheme, width, reducedMotion: true });
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
