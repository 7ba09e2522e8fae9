// The keys page's tree, table and search: every key is reached, and shown as it is now.

import { Buffer } from 'node:buffer';
import type { Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { axe, type Cluster, eventually, expect, type Gateway, hasFocus, intercept, press, retype, shot, tabTo, test, useWorld, type Visit } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
let v2Cluster: Cluster;
let v2Gateway: Gateway;

const bytes = (...parts: (string | number)[]): Buffer => Buffer.from(parts.map((part) => (typeof part === 'number' ? String.fromCharCode(part) : part)).join(''), 'latin1');

/** As in an address. */
const query = (key: Uint8Array): string => Buffer.from(key).toString('latin1').replace(/[^A-Za-z0-9\-._~/:@,!$*]/g, (c) => '%' + c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase());

const odd: Buffer[] = [
	...['foo', 'foo/', 'foo/x', 'foo-bar', '/', '//', '/a//b', '/a/', '/_hidden', '/empty', 'space in it', ' ', '.', '..', '%2F', 'a+b=c&d', 'line\nbreak'],
	...['\u202eright to left', 'é', 'e\u0301', '<img src=x onerror=alert(1)>', `/long/${'n'.repeat(3000)}`, '0x666f6f'],
	...[bytes(0xff, 0xfe), bytes('/bin/', 0x80, 0, 0x2f, 0xc3), bytes(0)],
].map((key) => Buffer.from(key as string));

beforeAll(async () => {
	[cluster, v2Cluster] = await Promise.all([world.cluster({ members: 3 }), world.cluster({ version: '3.5' })]);
	[gateway, v2Gateway] = await Promise.all([world.gateway({ etcd: cluster }), world.gateway({ etcd: v2Cluster, api: 'v2' })]);
	const etcd = cluster.etcd();
	await etcd.putAll(odd.map((key): [Uint8Array, string] => [key, key.toString() === '/empty' ? '' : `value of ${odd.indexOf(key)}`]));
	await etcd.fill(100_000, 'many/');
	await etcd.fill(300, 'folders/', (i) => String(i));
});

const rows = (page: Page) => page.locator('.keys-main .rows');
const row = (page: Page, name: string) => rows(page).locator('[role=row]', { has: page.getByRole('link', { name, exact: true }) });
const live = (page: Page) => page.locator('.live-state', { hasText: 'live' }).first().waitFor();
const opened = (page: Page, folder: string): Promise<void> => page.waitForURL((url) => url.search === `?prefix=${folder}`);

/** What etcd has in a folder of keys without folders, against what the table says. */
async function shown(page: Page): Promise<string[]> {
	return page.locator('.keys-main .rows [role=row]').evaluateAll((elements) =>
		elements
			.map((element) => ({ at: Number(element.getAttribute('aria-rowindex')), text: [...element.querySelectorAll('[role=gridcell]')].slice(0, 2).map((cell) => cell.textContent).join('=') }))
			.sort((a, b) => a.at - b.at)
			.map(({ text }) => text),
	);
}

test('every key is reached from the root by clicks, and told from the others', async ({ open }) => {
	const visit = await open(gateway.page('keys/?prefix='));
	const { page } = visit;
	await rows(page).getByRole('row').first().waitFor();
	const folder = (key: Buffer): Buffer => key.subarray(0, key.lastIndexOf(0x2f, key.length - 1) + 1);
	let at: Buffer = Buffer.alloc(0);
	for (const key of odd.toSorted((a, b) => Buffer.compare(folder(a), folder(b)))) {
		if (!folder(key).equals(at)) {
			at = folder(key);
			await page.getByRole('link', { name: 'all keys' }).click();
			for (let slash = key.indexOf(0x2f); slash >= 0; slash = key.indexOf(0x2f, slash + 1)) {
				await rows(page).locator(`a[href$="?prefix=${query(key.subarray(0, slash + 1))}"]`).click();
			}
		}
		await rows(page).locator(`a[href$="&key=${query(key)}"]`).click();
		await page.waitForURL((url) => url.search.endsWith(`&key=${query(key)}`));
		const shown = rows(page).locator('.opened');
		await shown.getByText(key.toString() === '/empty' ? '(empty)' : `value of ${odd.indexOf(key)}`, { exact: true }).waitFor();
		await page.locator('.keys-detail').waitFor();
	}
	const names = await rows(page).locator('.keys-name').allTextContents();
	expect(new Set(names).size).toBe(names.length);
	await axe(page);
	await shot(visit, 'keys-odd');
});

test('the address brings back the folder and the key; back and forward go there', async ({ open }) => {
	const { page } = await open(gateway.page(`keys/?prefix=foo/&key=foo/x`));
	await row(page, 'x').waitFor();
	await page.locator('.keys-detail').waitFor();
	await page.reload();
	await row(page, 'x').waitFor();
	await page.locator('.keys-detail').waitFor();
	await page.getByRole('navigation', { name: 'Folder' }).getByRole('link', { name: 'all keys' }).click();
	await row(page, 'foo-bar').waitFor();
	await page.goBack();
	await row(page, 'x').waitFor();
	await page.goForward();
	await row(page, 'foo-bar').waitFor();
	// What was in the old dashboard's addresses.
	await page.goto(gateway.page('keys/foo/x'));
	await row(page, 'x').waitFor();
	await page.locator('.keys-detail').waitFor();
});

test('what others write is shown within a second', async ({ open }) => {
	const etcd = cluster.etcd();
	await etcd.put('live/a', '1');
	const { page } = await open(gateway.page('keys/?prefix=live/'));
	await live(page);
	const soon = (wanted: string[]) => eventually(async () => expect(await shown(page)).toEqual(wanted), { within: 1000 });
	await soon(['a=1']);
	await etcd.put('live/b', '{"x": 1}');
	await soon(['a=1', 'b={"x":1}']);
	await etcd.put('live/a', '2');
	await soon(['a=2', 'b={"x":1}']);
	await etcd.put('live/in/x', '1');
	await etcd.put('live/in/y', '1');
	await soon(['a=2', 'b={"x":1}', 'in/=2 keys']);
	await etcd.delete('live/in/x');
	await soon(['a=2', 'b={"x":1}', 'in/=1 key']);
	await etcd.delete('live/in/y');
	await etcd.delete('live/a');
	await soon(['b={"x":1}']);
	await page.getByRole('tree').getByRole('treeitem', { name: 'live/' }).waitFor();
	await etcd.delete('live/b');
	await page.getByText('There is nothing in live/').waitFor({ timeout: 1000 });
	await etcd.put('live/again', 'here');
	await soon(['again=here']);
});

test('100,000 keys: quick, in few elements, with small answers, and to the end', async ({ open }) => {
	// On a machine that others use too, one of three.
	let { page, seen } = await open(gateway.page('keys/?prefix=many/'));
	await row(page, '000000').waitFor();
	for (let tries = 1; seen.now > 2000 && tries < 3; tries++) {
		({ page, seen } = await open(gateway.page('keys/?prefix=many/')));
		await row(page, '000000').waitFor();
	}
	expect(seen.now).toBeLessThan(2000);
	await page.getByText('value 3', { exact: true }).waitFor();
	await page.getByText('100,000 keys').waitFor();
	await rows(page).focus();
	await press(page, 'End');
	await row(page, '099999').waitFor({ timeout: 20_000 });
	await page.getByText('value 99999').waitFor();
	expect(await page.locator('[role=row]').count()).toBeLessThan(200);
	// And it is still live there, and counts.
	await cluster.etcd().put('many/099999', 'changed');
	await row(page, '099999').getByText('changed').waitFor({ timeout: 1000 });
	await cluster.etcd().put('many/1', 'last');
	await page.getByText('100,001 keys').waitFor({ timeout: 1000 });
	await press(page, 'End');
	await row(page, '1').waitFor();
	await cluster.etcd().delete('many/1');
	await page.getByText('100,000 keys').waitFor({ timeout: 1000 });
	await press(page, 'Home');
	await row(page, '000000').waitFor();
	for (const { url, size } of seen.requests) expect(size, url).toBeLessThan(1024 * 1024);
});

test('large values are not read for a line', async ({ open }) => {
	const etcd = cluster.etcd();
	for (let i = 0; i < 6; i++) await etcd.put(`large/${i}`, `${i}`.repeat(i % 2 ? 700_000 : 200_000));
	const { page, seen } = await open(gateway.page('keys/?prefix=large/'));
	await expect.poll(() => shown(page)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `${i}=${i % 2 ? 'too large for a line: open it' : `${i}`.repeat(240)}`));
	await page.getByRole('searchbox', { name: 'Search in keys and values' }).fill('0x33');
	await press(page, 'Enter');
	await page.getByText('1 found in 6 of 6 keys (3 with values too large to be searched)').waitFor();
	for (const { url, size } of seen.requests) expect(size, url).toBeLessThan(1024 * 1024);
});

test('a search shows what it finds, and can be stopped', async ({ open }) => {
	const { page } = await open(gateway.page('keys/?prefix=many/'));
	// A search is over in a moment. This one stands still after some requests until it goes on.
	let [asked, goOn] = [0, (): void => undefined];
	let halted = Promise.resolve();
	const halt = (): void => {
		asked = 0;
		halted = new Promise((resolve) => (goOn = resolve));
	};
	await page.route('**/v3/kv/range', async (route) => {
		if (++asked > 10) await halted;
		await route.continue().catch(() => undefined); // it may have been stopped
	});
	halt();
	await page.goto(gateway.page('keys/?prefix=many/&search=VALUE+77'));
	await page.getByText(/^Searching: [\d,]+ found in [\d,]+ of 100,000 keys/).waitFor();
	goOn();
	await page.getByText(/^500 found in .*; there may be more/).waitFor();
	await page.getByRole('button', { name: 'Continue' }).click();
	await page.getByText(/^1,000 found/).waitFor();
	await page.getByRole('searchbox', { name: 'Search in keys and values' }).fill('value 99998');
	halt();
	await press(page, 'Enter');
	await page.getByRole('button', { name: 'Stop' }).click();
	await page.getByText(/^Stopped/).waitFor();
	goOn();
	await page.getByRole('button', { name: 'Continue' }).click();
	await page.getByText(/^1 found in 100,000 of 100,000 keys/).waitFor({ timeout: 30_000 });
	expect(new URL(page.url()).search).toBe('?prefix=many/&search=value%2099998');
	await rows(page).getByRole('link').click();
	await page.locator('.keys-detail').waitFor();
	await page.getByRole('link', { name: 'Close the search' }).click();
	await row(page, '000000').waitFor();
	await page.goto(gateway.page('keys/?prefix=folders/&search=nowhere%20at%20all'));
	await page.getByText('Nothing has "nowhere at all" in it').waitFor();
});

test('after a compaction, a gateway that restarts and a member that dies, it shows what is there', async ({ open }) => {
	const etcd = cluster.etcd(0);
	await etcd.fill(250, 'storm/');
	const { page } = await open(gateway.page('keys/?prefix=storm/'), { tolerate: ['console'] });
	await live(page);
	await page.getByText('250 keys').waitFor();
	await gateway.kill();
	try {
		await page.locator('.live-state', { hasText: /reconnecting|not connected/ }).first().waitFor();
		await etcd.deletePrefix('storm/0000');
		await etcd.put('storm/!first', 'new');
		await etcd.put('storm/sub/x', 'new');
		await etcd.compact(await etcd.revision());
	} finally {
		await gateway.restart();
	}
	await page.getByText('152 keys').waitFor();
	await eventually(async () => expect((await shown(page)).slice(0, 3)).toEqual(['!first=new', '000100=value 100', '000101=value 101']));
	// The member that it may be watching.
	for (const member of cluster.members.slice(1)) {
		await member.kill();
		try {
			await eventually(() => etcd.put('storm/!first', `without ${member.name}`).then(() => true), { within: 20_000 });
			await row(page, '!first').getByText(`without ${member.name}`).waitFor();
		} finally {
			await member.restart();
		}
		await live(page);
	}
	await etcd.deletePrefix('storm/');
	await page.getByText('There is nothing in storm/').waitFor();
});

test('a key or a folder is gone to by its name', async ({ open }) => {
	const { page } = await open(gateway.page('keys/?prefix=foo/'));
	await row(page, 'x').waitFor();
	const go = async (name: string): Promise<void> => {
		await page.locator('h1').click();
		await press(page, '/');
		await retype(page, name);
		await press(page, 'Enter');
	};
	await go('0xfffe');
	await page.waitForURL((url) => url.search.endsWith('key=%FF%FE'));
	await go('many');
	await opened(page, 'many/');
	await go('000777'); // in this folder
	await page.waitForURL((url) => url.search.endsWith('key=many/000777'));
	await go('many/0999');
	await page.getByRole('link', { name: 'Show the 100 that begin with it' }).click();
	await page.getByText('100 keys').waitFor();
	await go('no/such/key');
	await page.getByText('There is no key no/such/key').waitFor();
	await page.getByRole('button', { name: 'Create it' }).click();
	await page.getByRole('dialog').waitFor();
});

test('a key whose code comes late does not take the focus from who types elsewhere', async ({ open }) => {
	const { page } = await open(gateway.page('keys/?prefix=foo/'));
	let release = (): void => undefined;
	const held = new Promise<void>((resolve) => (release = resolve));
	await intercept(page, '**/key.js', async (route) => {
		await held;
		await route.continue();
	});
	await row(page, 'x').getByRole('link').click();
	await page.waitForURL((url) => url.search.endsWith('key=foo/x'));
	await press(page, '/');
	const field = page.getByLabel('Go to a key or folder');
	expect(await hasFocus(field)).toBe(true);
	release();
	await page.locator('.key-detail .cm-content').waitFor();
	expect(await hasFocus(field)).toBe(true);
});

test('without a mouse: tree, table, delete', async ({ open }) => {
	const etcd = cluster.etcd();
	await etcd.put('board/one/a', '1');
	await etcd.put('board/one/b', '2');
	const { page } = await open(gateway.page('keys/?prefix=board/'));
	await row(page, 'one/').waitFor();
	await tabTo(page, page.getByRole('tree'));
	await press(page, 'ArrowRight', 'ArrowDown', 'Enter');
	await opened(page, 'board/one/');
	await tabTo(page, rows(page));
	await press(page, 'ArrowDown', 'ArrowDown', 'Delete');
	await page.getByRole('dialog', { name: 'Delete this key?' }).getByText('board/one/b').waitFor();
	await tabTo(page, page.getByRole('dialog').getByRole('button', { name: 'Delete' }));
	await press(page, 'Enter');
	await expect.poll(() => shown(page)).toEqual(['a=1']);
	expect(await hasFocus(rows(page))).toBe(true);
	await press(page, 'Enter');
	await page.waitForURL((url) => url.search.endsWith('key=board/one/a'));
	await page.locator('.keys-detail').waitFor();
	await page.getByRole('tree').focus();
	await press(page, 'ArrowLeft', 'Enter');
	await opened(page, 'board/');
});

test('a key that is changed while its deletion is asked about stays until that is said again', async ({ open }) => {
	const etcd = cluster.etcd();
	await etcd.put('asked/key', 'one');
	const { page } = await open(gateway.page('keys/?prefix=asked/'));
	await expect.poll(() => shown(page)).toEqual(['key=one']);
	await tabTo(page, rows(page));
	await press(page, 'ArrowDown', 'Delete');
	const dialog = page.getByRole('dialog');
	await dialog.getByText('asked/key is deleted').waitFor();
	await etcd.put('asked/key', 'two');
	await expect.poll(() => shown(page)).toEqual(['key=two']); // this page knows, and the user may not
	await dialog.getByRole('button', { name: 'Delete', exact: true }).click();
	await dialog.getByText('It has been changed meanwhile').waitFor();
	expect((await etcd.get('asked/key'))?.value).toBe('two');
	await dialog.getByRole('button', { name: 'Delete what is there now' }).click();
	await expect.poll(() => etcd.get('asked/key')).toBeUndefined();
});

test('a folder is deleted when its name has been typed', async ({ open }) => {
	const etcd = cluster.etcd();
	await etcd.fill(150, 'doomed/x/');
	const { page } = await open(gateway.page('keys/?prefix=doomed/x/'));
	await page.getByRole('button', { name: 'Delete folder' }).click();
	const sure = page.getByRole('dialog').getByRole('button', { name: 'Delete 150 keys' });
	await sure.waitFor();
	expect(await sure.isDisabled()).toBe(true);
	await axe(page);
	await page.getByLabel(/^To confirm, type/).fill('doomed/x/');
	await sure.click();
	await opened(page, 'doomed/');
	expect(await etcd.count('doomed/')).toBe(0);
	await page.getByText('There is nothing in doomed/').waitFor();
});

test('a folder of the gateway’s own keys is deleted when its name has been typed, however small it is', async ({ open }) => {
	await gateway.mod.lock('doomed', { ttl: 600, value: 'worker' });
	const { page } = await open(gateway.page('keys/?prefix=/_etcd/'));
	await page.getByRole('button', { name: 'Delete folder' }).click();
	const sure = page.getByRole('dialog').getByRole('button', { name: /^Delete \d+ keys?$/ });
	await sure.waitFor();
	await page.getByText('Locks and elections are in there').waitFor();
	expect(await sure.isDisabled()).toBe(true);
	await page.getByLabel(/^To confirm, type/).fill('/_etcd/');
	expect(await sure.isEnabled()).toBe(true);
	await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
});

describe('v2:', () => {
	test('directories, what is hidden, live, TTLs, and v3 beside it', async ({ open }) => {
		const v2 = v2Cluster.v2();
		await v2.put('/dir/a b', 'one');
		await v2.put('/dir/sub/x', '2');
		await v2.put('/_hidden/x', 'secret');
		await v2Cluster.etcd().put('three', '3');
		const visit = await open(v2Gateway.page('keys'));
		const { page } = visit;
		await row(page, 'dir/').getByRole('link').click();
		await expect.poll(() => shown(page)).toEqual(['a b=one', 'sub/=directory']);
		await live(page);
		const soon = (wanted: string[]) => eventually(async () => expect(await shown(page)).toEqual(wanted), { within: 1000 });
		await v2.put('/dir/new', 'n', 60);
		await soon(['a b=one', 'new=n', 'sub/=directory']);
		await row(page, 'new').getByText(/^5\ds/).waitFor();
		await v2.put('/dir/other/y', 'n');
		await v2.delete('/dir/sub');
		await v2.put('/dir/brief', 'b', 1);
		await eventually(async () => expect(await shown(page)).toEqual(['a b=one', 'new=n', 'other/=directory']), { within: 5000 });
		// More than etcd remembers, while nobody listens.
		await v2Gateway.kill();
		try {
			await Promise.all(Array.from({ length: 20 }, async (_, i) => {
				for (let j = 0; j < 60; j++) await v2.put(`/noise/${i}`, String(j));
			}));
			await v2.put('/dir/a b', 'later');
		} finally {
			await v2Gateway.restart();
		}
		await eventually(async () => expect(await shown(page)).toEqual(['a b=later', 'new=n', 'other/=directory']));
		await axe(page);
		await shot(visit, 'keys-v2');

		await press(page, '/');
		await retype(page, '/_hidden/x');
		await press(page, 'Enter');
		await page.locator('.keys-detail').getByText('secret').first().waitFor();
		await page.getByRole('searchbox', { name: 'Search in keys and values' }).fill('SECRET');
		await press(page, 'Enter');
		await page.getByText('1 found in 1 keys').waitFor();
		await page.getByRole('navigation', { name: 'Key space' }).getByRole('link', { name: 'v3' }).click();
		await expect.poll(() => shown(page)).toEqual(['three=3']);
		await page.reload();
		await expect.poll(() => shown(page)).toEqual(['three=3']);
	});

	test('many keys in one directory', async ({ open }) => {
		const v2 = v2Cluster.v2();
		await Promise.all(Array.from({ length: 20 }, async (_, i) => {
			for (let j = 0; j < 100; j++) await v2.put(`/many/${String(i * 100 + j).padStart(4, '0')}`, `value ${i * 100 + j}`);
		}));
		const { page } = await open(v2Gateway.page('keys/?prefix=/many/'));
		await row(page, '0000').waitFor();
		await rows(page).focus();
		await press(page, 'End');
		await row(page, '1999').getByText('value 1999').waitFor();
		expect(await page.locator('[role=row]').count()).toBeLessThan(200);
	});
});

test('an empty etcd says what to do, narrow and dark too', async ({ open }) => {
	const empty = await world.gateway({ etcd: await world.cluster({}) });
	const visits: Visit[] = [await open(empty.page('keys')), await open(gateway.page('keys/?prefix='), { width: 'narrow', scheme: 'dark' })];
	await visits[0]?.page.getByText('There are no keys yet').waitFor();
	await visits[0]?.page.getByText('etcdctl --endpoints').waitFor();
	if (visits[1]) await row(visits[1].page, 'foo-bar').waitFor();
	for (const visit of visits) {
		await axe(visit.page);
		await shot(visit, 'keys-browse');
	}
});
