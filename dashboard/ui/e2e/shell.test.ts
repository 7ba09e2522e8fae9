// The frame around the pages: addresses, and what holds on all of them.

import type { Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { firstLoad } from './dist.ts';
import { heading, places } from './places.ts';
import { axe, eventually, expect, schemes, shot, shows, test, useWorld, type Gateway } from './test.ts';

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
		.map(({ url }) => url.slice(plain.page().length).replace(/^assets-[0-9a-f]{16}\//, 'assets/') || 'index.html')
		.filter((path) => path === 'index.html' || path.startsWith('assets/'));
	expect(loaded).toContain('assets/charts.js');
	expect([...firstLoad()]).toEqual(expect.arrayContaining(loaded));
});

test('all that a page loads is of this version', async ({ open }) => {
	const { page, seen } = await open(plain.page('keys/?key=foo'));
	await page.getByRole('textbox', { name: 'Value' }).waitFor();
	await page.reload();
	await page.getByRole('textbox', { name: 'Value' }).waitFor();
	const own = seen.requests.map(({ url }) => url.slice(plain.page().length)).filter((path) => path.startsWith('assets'));
	expect(own).not.toEqual([]);
	expect(own.filter((path) => !/^assets-[0-9a-f]{16}\/\w+\.(js|css)$/.test(path))).toEqual([]);
});

const said = 'The gateway has been upgraded: reload this page';

/** As if the gateway had been upgraded after the page, and these parts of it, were loaded. */
async function upgrade(page: Page, parts: string[]): Promise<void> {
	await page.route(/\/assets-\w+\//, (route) => {
		const request = route.request();
		const missing = request.method() === 'HEAD' || parts.some((part) => request.url().endsWith(`/${part}.js`));
		return missing ? route.fulfill({ status: 404 }) : route.continue();
	});
}

test('when the gateway has been upgraded, a page that was not loaded before says so', async ({ open }) => {
	const visit = await open(plain.page());
	const { page } = visit;
	await upgrade(page, ['keys']);
	await page.goto(plain.page());
	await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Keys', exact: true }).click();
	await page.getByRole('alert').filter({ hasText: said }).waitFor();
	await axe(page);
	await shot(visit, 'upgraded');
	await page.unrouteAll();
	await page.getByRole('button', { name: 'Reload', exact: true }).click();
	await shows(page, 'foo');
	expect(page.url()).toBe(plain.page('keys/'));
	expect(await page.getByText(said).count()).toBe(0);
});

test('when another gateway has the page than its scripts, it says so', async ({ open }) => {
	const late = 'The dashboard has not been loaded so far';
	const { page } = await open(plain.page());
	expect(await page.getByText(late).count()).toBe(0);
	await page.route('**/index.js', (route) => route.fulfill({ status: 404 }));
	await page.goto(plain.page());
	await page.getByText(late).waitFor();
	await page.route('**/style.css', (route) => route.fulfill({ status: 404 }));
	await page.goto(plain.page());
	await page.getByText(late).waitFor();
});

test('when the gateway has been upgraded, what is being edited stays', async ({ open }) => {
	const { page } = await open(plain.page());
	await upgrade(page, ['editor']);
	await page.goto(plain.page('keys/?key=foo'));
	await page.getByRole('alert').filter({ hasText: said }).waitFor();
	const value = page.getByRole('textbox', { name: 'Value' });
	await value.fill('edited');
	expect(await value.inputValue()).toBe('edited');
	const asked = page.waitForEvent('dialog');
	await page.getByRole('button', { name: 'Reload', exact: true }).click();
	expect((await asked).type()).toBe('beforeunload');
});

test.for(['soon', 'late'])('a page that could not be loaded ahead is loaded when it is wanted, though the gateway answers %s why', async (when, { open }) => {
	const { page, seen } = await open(plain.page());
	await page.route('**/locks.js', (route) => route.abort());
	let asked = false;
	await page.route('**/*', async (route) => {
		const why = route.request().method() === 'HEAD' && !asked;
		if (why) asked = true;
		if (!why || when === 'soon') await route.fallback();
		// Else the page has stopped waiting before there is an answer.
	});
	await page.goto(plain.page('leases/'));
	await eventually(() => asked && seen.requests.some(({ url, failure }) => url.endsWith('/locks.js') && failure), { what: 'it was tried' });
	await page.unroute('**/locks.js');
	await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Locks', exact: true }).click();
	await page.getByRole('heading', { name: 'Locks', level: 1 }).waitFor();
	await shows(page, 'a lock/with a slash');
});

test.for(['nowhere', 'nowhere/at/all'])('the page itself says that there is no page %s', async (path, { open }) => {
	const { page, seen } = await open(below.page(path));
	await page.getByRole('heading', { name: 'Not found', level: 1 }).waitFor();
	expect(seen.requests.find(({ type }) => type === 'Document')!.status).toBe(404);
	await page.getByRole('main').getByRole('link', { name: 'overview' }).click();
	await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
	expect(page.url()).toBe(below.page());
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
