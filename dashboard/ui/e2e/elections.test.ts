// The elections, live: who leads since when, who stands by, what has changed, and who is
// made to resign.

import type { Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { address, detail, entries, line, live } from './queues.ts';
import { clientsKey } from './seed.ts';
import { axe, eventually, expect, test, useWorld, type Cluster, type Gateway } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
let v2: Gateway;
let readOnly: Gateway;
beforeAll(async () => {
	const [one, old] = await Promise.all([world.cluster(), world.cluster({ version: '3.5' })]);
	cluster = one;
	[gateway, v2, readOnly] = await Promise.all([world.gateway({ etcd: one }), world.gateway({ etcd: old, api: 'v2' }), world.gateway({ etcd: one, readOnly: true })]);
	world.onEnd(() => [gateway, v2].forEach(({ mod }) => mod.abortAll()));
	await stand(gateway, 'orders', 'orders-1', 'orders-2', 'orders-3');
	await stand(gateway, 'search/indexer', 'search-0');
});

/** Has these stand for an election, in order. */
async function stand({ mod }: Gateway, election: string, ...names: string[]): Promise<void> {
	for (const [i, name] of names.entries()) {
		mod.campaign(election, name, { ttl: 600 });
		await eventually(async () => (await mod.election(election)).queue.length === i + 1);
	}
}

const timeline = async (page: Page): Promise<string[]> =>
	(await detail(page).locator('.queues-history li').all()).reduce<Promise<string[]>>(
		async (all, item) => [...(await all), `${await item.locator('.cut').first().innerText()} ${await item.locator('.queues-verb').innerText()}`],
		Promise.resolve([]),
	);

test('who leads, since when, and who stands by', async ({ open }) => {
	const { page } = await open(gateway.page('elections'));
	await page.getByText('2 elections, 2 with a leader, 2 waiting').waitFor();
	expect(await line(page, 'orders').locator('.queues-holder').innerText()).toContain('orders-1');
	expect(await line(page, 'orders').locator('.queues-waiter').allInnerTexts()).toEqual(['orders-2', 'orders-3']);
	// The gateway has noted in etcd when that began.
	await expect.poll(() => line(page, 'orders').locator('.queues-since time').count()).toBe(1);
	const since = Date.parse((await line(page, 'orders').locator('.queues-since time').getAttribute('datetime'))!);
	expect(Math.abs(Date.now() - since)).toBeLessThan(60_000);
});

test('changes as a timeline: stood, resigned, expired, leads', async ({ open }) => {
	const { mod } = gateway;
	const { page } = await open(address(gateway, 'elections', 'timeline'));
	await detail(page).getByText('Nobody leads').waitFor();
	await live(page);
	await mod.campaign('timeline', 'a', { ttl: 600 }).reply;
	const b = mod.campaign('timeline', 'b', { ttl: 1 });
	await expect.poll(() => entries(page)).toEqual(['a', 'b']);
	await mod.resign('timeline', 'a');
	await b.reply;
	await expect.poll(() => timeline(page), { timeout: 10_000 }).toEqual(['b expired', 'b leads', 'a resigned', 'b stood', 'a leads']);
	await detail(page).getByText('Nobody leads').waitFor();
	await page.goto(gateway.page('elections'));
	await page.getByText('Nothing has happened since').waitFor();
	await stand(gateway, 'another', 'x');
	const latest = page.getByRole('region', { name: 'Last changes' });
	await latest.getByText('another').waitFor();
	await latest.getByRole('link', { name: 'another' }).click();
	await expect.poll(() => entries(page)).toEqual(['x']);
	await mod.resign('another', 'x');
});

test('the page is left and come back to: what it knew is not lost', async ({ open }) => {
	const { page, seen } = await open(address(gateway, 'elections', 'back'));
	await live(page);
	await stand(gateway, 'back', 'a');
	await expect.poll(() => timeline(page)).toEqual(['a leads']);
	await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Locks' }).click();
	await page.getByRole('heading', { name: 'Locks' }).waitFor();
	await eventually(() => seen.matching('/mod/v2/leader/?prefix=').every(({ ended }) => ended !== undefined));
	await gateway.mod.resign('back', 'a');
	await page.goBack();
	await expect.poll(() => timeline(page)).toEqual(['a resigned', 'a leads']);
});

describe('resigning', () => {
	test('after it has been asked', async ({ open }) => {
		await stand(gateway, 'act', 'a', 'b', 'c');
		const { page } = await open(address(gateway, 'elections', 'act'));
		await detail(page).getByRole('button', { name: /^Remove b,/ }).click();
		await page.getByRole('dialog').getByText(/leaves the queue.*If it gets its turn.*it resigns instead/).waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
		await expect.poll(() => entries(page)).toEqual(['a', 'c']);
		await detail(page).getByRole('button', { name: /^Resign a,/ }).click();
		await page.getByRole('dialog').getByText('still believes that it leads until it asks again').waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Resign' }).click();
		await expect.poll(() => entries(page)).toEqual(['c']);
		expect((await gateway.mod.election('act')).value).toBe('c');
		await gateway.mod.resign('act', 'c');
	});

	test('is not done to one that has come back meanwhile', async ({ open }) => {
		const { mod } = gateway;
		await stand(gateway, 'again', 'same');
		const { page, seen } = await open(address(gateway, 'elections', 'again'));
		await detail(page).getByRole('button', { name: /^Resign same/ }).click();
		await mod.resign('again', 'same');
		await stand(gateway, 'again', 'same');
		await page.getByRole('dialog').getByText('has gone meanwhile').waitFor();
		await page.getByRole('dialog').getByRole('button', { name: 'Resign' }).click();
		await page.getByRole('dialog').getByText('Somebody else has changed it meanwhile').waitFor();
		expect(seen.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
		expect((await mod.election('again')).value).toBe('same');
		await mod.resign('again', 'same');
	});

	test('is not offered where all is read only', async ({ open }) => {
		const { page } = await open(address(readOnly, 'elections', 'orders'));
		const resign = detail(page).getByRole('button', { name: /^Resign/ });
		await resign.waitFor();
		expect(await resign.isDisabled()).toBe(true);
		expect(await resign.getAttribute('title')).toContain('read_only');
	});
});

test('of etcd’s own clients, live', async ({ open }) => {
	const etcd = cluster.etcd();
	const make = async (prefix: string, value: string): Promise<string> => {
		const lease = await etcd.grant(300);
		await etcd.put(clientsKey(prefix, lease), value, lease);
		return lease;
	};
	const first = await make('/app/election', 'candidate-1');
	await make('/app/election', 'candidate-2');
	await make('/app/mutex', '');
	const { page } = await open(gateway.page('elections/?by=clients'));
	const shown = async (): Promise<string> => (await line(page, '/app/election').locator('.queues-holder, .queues-waiter').allInnerTexts()).map((text) => text.split(/\s/)[0]).join();
	await expect.poll(shown).toBe('candidate-1,candidate-2');
	expect(await page.locator('.queues-name').allInnerTexts()).toEqual(['/app/election']);
	await etcd.revoke(first);
	await expect.poll(shown).toBe('candidate-2');
	await axe(page);
});

test('over the v2 API', async ({ open }) => {
	const { page } = await open(v2.page('elections'));
	await page.getByText('No elections yet').waitFor();
	expect(await page.locator('.command code').innerText()).toBe(`curl -X PUT '${v2.url}/mod/v2/leader/order_processing?ttl=60' -d name=$(hostname)`);
	await live(page);
	await stand(v2, 'old', 'a', 'b');
	await line(page, 'old').click();
	await expect.poll(() => entries(page)).toEqual(['a', 'b']);
	await detail(page).getByRole('button', { name: /^Resign a,/ }).click();
	await page.getByRole('dialog').getByRole('button', { name: 'Resign' }).click();
	await expect.poll(() => entries(page)).toEqual(['b']);
	await expect.poll(async () => (await timeline(page)).slice(0, 4)).toEqual(['b leads', 'a resigned', 'b stood', 'a leads']);
	// It began before this page was there.
	await page.reload();
	await expect.poll(() => line(page, 'old').locator('.queues-since').innerText()).toContain('≥');
	await v2.mod.resign('old', 'b');
});
