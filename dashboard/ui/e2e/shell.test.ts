// The frame around the pages: addresses, and what holds on all of them.

import { beforeAll, describe } from 'vitest';
import { firstLoad } from './dist.ts';
import { heading, places } from './places.ts';
import { axe, eventually, expect, schemes, shows, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();
let plain: Gateway;
let below: Gateway;
let v2: Gateway;
beforeAll(async () => {
	const [new37, old35] = await Promise.all([world.cluster(), world.cluster({ version: '3.5' })]);
	[plain, below, v2] = await Promise.all([
		world.gateway({ etcd: new37 }),
		world.gateway({ etcd: new37, prefix: '/etcd' }),
		world.gateway({ etcd: old35, api: 'v2' }),
	]);
	await new37.etcd().putAll([
		['foo', 'bar'],
		['/a//b', '{"x": 1}'],
	]);
	await plain.mod.lock('a lock/with a slash', { ttl: 600 });
	await plain.mod.campaign('an election', 'somebody', { ttl: 600 }).reply;
});

const sites: [name: string, gateway: () => Gateway, api: 'v3' | 'v2'][] = [
	['at the root', () => plain, 'v3'],
	['below a stripped path', () => below, 'v3'],
	['over v2', () => v2, 'v2'],
];

describe.each(sites)('%s', (_name, gateway, api) => {
	test('each page can be reloaded, and says nothing in the console', async ({ open }) => {
		const { page, seen } = await open(gateway().page());
		for (const { path, title, only } of places) {
			if (only && only !== api) continue;
			const url = gateway().page(path);
			await page.goto(url);
			for (const again of [false, true]) {
				if (again) await page.reload();
				await page.getByRole('heading', { name: title, level: 1, exact: true }).waitFor();
				expect(page.url()).toBe(url);
				expect(await page.title()).toContain(title);
			}
		}
		expect(seen.failedLoads).toEqual([]);
	});

	test('one goes from page to page without loading it anew, and back', async ({ open }) => {
		const { page, seen } = await open(gateway().page());
		const shown = places.filter(({ only }) => !only || only === api);
		const at = (title: string): Promise<unknown> => eventually(async () => (await heading(page)) === title, { what: `the page is ${title}` });
		for (const { path, title } of shown) {
			await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: title, exact: true }).click();
			await at(title);
			expect(page.url()).toBe(gateway().page(path));
			expect(await page.getByRole('navigation', { name: 'Pages' }).locator('[aria-current=page]').innerText()).toBe(title);
		}
		await page.goBack();
		await at(shown.at(-2)!.title);
		expect(seen.requests.filter(({ type }) => type === 'Document')).toHaveLength(1);
	});

	test('addresses that lead there', async ({ open }) => {
		const redirects: [path: string, page: string, title: string][] = [
			['/mod', '', 'Overview'],
			['/mod/', '', 'Overview'],
			['/mod/dashboard', '', 'Overview'],
			// Those of the dashboard that etcd once had.
			['/mod/dashboard/browser', 'browser', 'Keys'],
			['/mod/dashboard/browser/', 'browser/', 'Keys'],
			['/mod/dashboard/stats', 'stats', 'Overview'],
		];
		const { page } = await open(gateway().page('leases'));
		for (const [path, place, title] of redirects) {
			await page.goto(gateway().url + path);
			await page.getByRole('heading', { name: title, level: 1, exact: true }).waitFor();
			expect(page.url()).toBe(gateway().page(place));
		}
	});
});

const deep: [path: string, text: string][] = [
	['keys/?key=foo', 'bar'],
	['keys/foo', 'bar'],
	['keys/?key=/a//b', '/a//b'],
	['locks/?name=a%20lock/with%20a%20slash', 'a lock/with a slash'],
	['locks/a%20lock/with%20a%20slash', 'a lock/with a slash'],
	['elections/?name=an%20election', 'somebody'],
];
test.for([
	['at the root', () => plain],
	['below a stripped path', () => below],
] as const)('addresses to share, %s', async ([, gateway], { open }) => {
	const { page } = await open(gateway().page());
	for (const [path, text] of deep) {
		await page.goto(gateway().page(path));
		await shows(page, text);
		await page.reload();
		await shows(page, text);
	}
});

test('the first load is what the budget counts', async ({ open }) => {
	const { page, seen } = await open(plain.page());
	await page.locator('canvas, .uplot').first().waitFor({ state: 'attached' });
	// The charts come last. (A while later the other pages' files are loaded too, while
	// nothing else is to be done.)
	const charts = seen.requests.find(({ url }) => url.endsWith('/charts.js'));
	const loaded = seen.requests
		.filter(({ sent }) => sent <= charts!.sent)
		.map(({ url }) => url.slice(plain.page().length) || 'index.html')
		.filter((path) => path === 'index.html' || path.startsWith('assets/'));
	expect(loaded).toContain('assets/charts.js');
	expect([...firstLoad()]).toEqual(expect.arrayContaining(loaded));
});

test.for(schemes)('axe has nothing against any page with next to nothing in it, %s', async (scheme, { open }) => {
	const { page } = await open(v2.page(), { scheme });
	for (const { path, title, only } of places) {
		if (only === 'v3') continue;
		await page.goto(v2.page(path));
		await page.getByRole('heading', { name: title, level: 1 }).waitFor();
		await axe(page);
	}
});
