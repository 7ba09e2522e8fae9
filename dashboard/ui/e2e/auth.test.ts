// An etcd that asks who one is: the dashboard asks its user, keeps the password to itself,
// and says so where it is not enough.

import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { axe, eventually, expect, press, sleep, test, useWorld, type Cluster, type Gateway, type Visit } from './test.ts';

const world = useWorld();
const rootsPassword = 'R00t’s-pässwörd/+&=';
const evesPassword = 'eves-own-password';
const gatewaysPassword = 'gateways-own-password';
const tokenSeconds = 3;

let v3: Cluster;
let gateway: Gateway;
let gateway2: Gateway;
beforeAll(async () => {
	const [three, two] = await Promise.all([world.cluster({ flags: [`--auth-token-ttl=${tokenSeconds}`] }), world.cluster({ version: '3.5' })]);
	v3 = three;
	const etcd = v3.etcd();
	await etcd.put('greeting', 'hello');
	for (const [name, password] of [
		['eve', evesPassword],
		['gateway', gatewaysPassword],
	]) {
		await etcd.call('/v3/auth/user/add', { name, password });
	}
	await v3.enableAuth(rootsPassword);
	const root = await etcd.login('root', rootsPassword);
	await root.call('/v3/auth/user/grant', { user: 'gateway', role: 'root' });

	await two.v2().put('/greeting', 'hello');
	await two.v2().put('/eves/key', 'hers');
	const headers = { 'Content-Type': 'application/json', Authorization: `Basic ${Buffer.from(`root:${rootsPassword}`).toString('base64')}` };
	const set = async (path: string, body: unknown): Promise<void> => {
		const answer = await fetch(two.endpoints[0] + path, { method: 'PUT', headers, body: JSON.stringify(body) });
		if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
	};
	await set('/v2/auth/users/root', { user: 'root', password: rootsPassword });
	await set('/v2/auth/users/gateway', { user: 'gateway', password: gatewaysPassword, roles: ['root'] });
	await set('/v2/auth/roles/eves', { role: 'eves', permissions: { kv: { read: ['/eves/*'], write: [] } } });
	await set('/v2/auth/users/eve', { user: 'eve', password: evesPassword, roles: ['eves'] });
	await set('/v2/auth/enable', undefined);
	await set('/v2/auth/roles/guest', { role: 'guest', revoke: { kv: { read: ['/*'], write: ['/*'] } } });

	const options = { option: ['username gateway', `password ${gatewaysPassword}`], site: ['log'] };
	[gateway, gateway2] = await Promise.all([world.gateway({ etcd: v3, ...options }), world.gateway({ etcd: two, api: 'v2', ...options })]);
});

const dialog = (page: Page) => page.getByRole('dialog', { name: 'Sign in to etcd' });

async function signIn(page: Page, name: string, password: string, how = 'Enter'): Promise<void> {
	await dialog(page).getByLabel('User').fill(name);
	await dialog(page).getByLabel('Password').fill(password);
	if (how === 'Enter') await press(page, 'Enter');
	else await dialog(page).getByRole('button', { name: how }).click();
}

/** Nobody but the page's memory and etcd has these, as they are or encoded. */
async function keepsSecret({ page, seen }: Visit, from: Gateway, secrets: string[]): Promise<void> {
	const spellings = secrets.flatMap((secret) => [secret, encodeURIComponent(secret), new URLSearchParams({ '': secret }).toString().slice(1), Buffer.from(secret).toString('base64')]);
	const { cookies, origins } = await page.context().storageState({ indexedDB: true });
	const session = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie, history.state]));
	expect(cookies).toEqual([]);
	expect(origins).toEqual([]);
	expect(session).toBe('[{},{},"",null]');
	const log = readFileSync(from.program.log, 'utf8');
	expect(log).toContain('"uri":"/'); // it has the requests
	const places = { addresses: [...seen.requests.map(({ url }) => url), page.url()].join('\n'), log, markup: await page.content() };
	for (const [where, text] of Object.entries(places)) {
		for (const spelling of spellings) expect(text.includes(spelling), `${spelling} in the ${where}`).toBe(false);
	}
}

describe('v3', () => {
	test('the user is asked, and after that sees the keys; the password stays in the page', async ({ open }) => {
		const visit = await open(gateway.page('keys/'));
		const { page, seen } = visit;
		await dialog(page).waitFor();
		expect(await dialog(page).getByLabel('User').evaluate((e) => e === document.activeElement)).toBe(true);
		await axe(page);

		await signIn(page, 'root', 'wrong');
		await dialog(page).getByText('etcd does not take this name and password').waitFor();
		await signIn(page, 'root', rootsPassword);
		await dialog(page).waitFor({ state: 'detached' });
		await page.locator('main').getByText('greeting').first().waitFor();
		await page.getByText('root', { exact: true }).waitFor();

		const tokens = seen.matching('/v3/auth/authenticate');
		expect(tokens.length).toBeGreaterThan(1);
		await keepsSecret(visit, gateway, [rootsPassword]);

		// It is gone with the page.
		await page.reload();
		await dialog(page).waitFor();
	});

	test('a token that has ended is renewed without a word, by requests and by streams', async ({ open }) => {
		const { page, seen } = await open(gateway.page('keys/'));
		await signIn(page, 'root', rootsPassword);
		await page.locator('main').getByText('greeting').first().waitFor();
		await sleep(tokenSeconds * 1000 + 1500);
		const before = seen.matching('/v3/auth/authenticate').length;
		await page.getByRole('navigation').getByRole('link', { name: 'Leases' }).click();
		await page.getByRole('heading', { name: 'Leases', level: 1 }).waitFor();
		await page.getByRole('navigation').getByRole('link', { name: 'Keys' }).click();
		await page.locator('main').getByText('greeting').first().waitFor();
		await eventually(() => seen.matching('/v3/auth/authenticate').length > before, { what: 'a new token' });
		// What others write comes by the watch.
		const root = await v3.etcd().login('root', rootsPassword);
		await root.put('new-key', 'x');
		await page.locator('main').getByText('new-key').first().waitFor();
		expect(await dialog(page).count()).toBe(0);
	});

	test('a user without rights is told so, and can become another one', async ({ open }) => {
		const visit = await open(gateway.page('keys/?key=greeting'));
		const { page } = visit;
		await dialog(page).waitFor();
		await signIn(page, 'eve', evesPassword);
		await dialog(page).waitFor({ state: 'detached' });
		await page.getByText('You may not do this').first().waitFor();
		await axe(page);
		await page.getByRole('button', { name: 'Sign in as another user' }).first().click();
		await signIn(page, 'root', rootsPassword);
		await page.locator('main').getByText('hello').first().waitFor();
		await keepsSecret(visit, gateway, [rootsPassword, evesPassword]);
	});

	test('who does not want to sign in is asked once, and sees what needs no user', async ({ open }) => {
		const { page } = await open(gateway.page('keys/'));
		await dialog(page).waitFor();
		await press(page, 'Escape');
		await dialog(page).waitFor({ state: 'detached' });
		await page.locator('main').getByText('etcd asks who you are').first().waitFor();
		await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click();
		await page.getByText(/^member0 answers, and leads/).waitFor();
		await page.locator('.overview-counts').getByText('etcd asks who you are').waitFor();
		expect(await dialog(page).count()).toBe(0);
		await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
		await signIn(page, 'root', rootsPassword);
		await page.locator('.overview-counts dd').filter({ hasText: /^\d+$/ }).first().waitFor();
		await page.getByRole('button', { name: 'Sign out' }).click();
		await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
	});

	test('who signs out leaves nothing to be read, not even of the key that is open', async ({ open }) => {
		const { page } = await open(gateway.page('keys/?key=greeting'));
		const shown = page.locator('main').getByText('hello', { exact: true }); // in the list and in the editor
		await signIn(page, 'root', rootsPassword);
		await expect.poll(() => shown.count()).toBe(2);
		await page.getByRole('button', { name: 'Sign out' }).click();
		await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).waitFor();
		await expect.poll(() => shown.count()).toBe(0);
		await page.locator('main').getByText('etcd asks who you are').first().waitFor();
		await page.getByRole('banner').getByRole('button', { name: 'Sign in' }).click();
		await signIn(page, 'root', rootsPassword);
		await expect.poll(() => shown.count()).toBe(2);
	});
});

describe('v2', () => {
	test('the page asks, and not the browser', async ({ open }) => {
		const refusals: string[] = [];
		const visit = await open(gateway2.page('keys/'));
		const { page } = visit;
		page.on('response', (response) => {
			if (response.status() === 401) refusals.push(response.headers()['www-authenticate'] ?? 'nothing');
		});
		await dialog(page).waitFor();
		await signIn(page, 'root', 'wrong');
		await dialog(page).getByText('etcd does not take this name and password').waitFor();
		// A browser would ask by itself if there were a header.
		expect(new Set(refusals)).toEqual(new Set(['nothing']));
		await signIn(page, 'root', rootsPassword);
		await page.locator('main').getByText('greeting').first().waitFor();
		await keepsSecret(visit, gateway2, [rootsPassword, `root:${rootsPassword}`]);
	});

	test('a user who may read some keys only', async ({ open }) => {
		const { page } = await open(gateway2.page('keys/?key=/eves/key'));
		await dialog(page).waitFor();
		await signIn(page, 'eve', evesPassword);
		await dialog(page).getByText('this user may not read the root').waitFor();
		await axe(page);
		await dialog(page).getByRole('button', { name: 'Use it unchecked' }).click();
		await dialog(page).waitFor({ state: 'detached' });
		await page.locator('main').getByText('hers').first().waitFor();
		expect(await dialog(page).count()).toBe(0);
	});
});
