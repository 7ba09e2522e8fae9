// A key is created, edited and deleted, and its bytes stay what they are.

import { Buffer } from 'node:buffer';
import { beforeAll, describe } from 'vitest';
import { address, button, content, edit, said, valueOf } from './editor.ts';
import { axe, type Cluster, expect, type Gateway, hasFocus, intercept, press, retype, shot, tabTo, test, useWorld } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster();
	gateway = await world.gateway({ etcd: cluster });
});

const bytesOf = async (key: string): Promise<string | undefined> => {
	const kv = await cluster.etcd().get(key);
	return kv && Buffer.from(kv.valueBytes).toString('hex');
};
const hex = (text: string | Uint8Array): string => Buffer.from(text as string).toString('hex');

test('by keyboard alone a key is created, edited and deleted', async ({ open }) => {
	const { page } = await open(gateway.page('keys/?prefix=/keyboard/'));
	await press(page, 'n');
	const name = page.getByLabel('Key', { exact: true });
	await name.waitFor();
	expect(await hasFocus(name)).toBe(true);
	expect(await name.inputValue()).toBe('/keyboard/');
	await page.keyboard.type('new');
	await tabTo(page, page.getByLabel('Value', { exact: true }));
	await page.keyboard.type('one');
	await tabTo(page, button(page, 'Create'));
	await press(page, 'Enter');
	await said(page, 'Created').waitFor();
	expect(await valueOf(cluster, '/keyboard/new')).toBe('one');

	await content(page).waitFor();
	await tabTo(page, content(page));
	await retype(page, 'two');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(() => valueOf(cluster, '/keyboard/new')).toBe('two');
	await page.locator('.key-state').getByText('Saved').waitFor();
	expect(await hasFocus(content(page))).toBe(true);

	// Tab indents, but is no trap.
	await press(page, 'Tab');
	expect(await hasFocus(content(page))).toBe(true);
	await press(page, 'ControlOrMeta+z', 'Escape', 'Tab');
	await expect.poll(() => hasFocus(content(page))).toBe(false);
	await tabTo(page, button(page, 'Delete…'));
	await press(page, 'Enter');
	await page.getByRole('dialog').getByText('/keyboard/new').waitFor();
	await tabTo(page, button(page, 'Delete'));
	await press(page, 'Enter');
	await said(page, 'Deleted').waitFor();
	expect(await valueOf(cluster, '/keyboard/new')).toBeUndefined();
	expect(await page.locator('.key-detail').count()).toBe(0);
	await expect.poll(() => page.evaluate(() => document.activeElement !== document.body)).toBe(true);
});

test('what is there already is not created over', async ({ open }) => {
	await cluster.etcd().put('/taken', 'theirs');
	const { page } = await open(gateway.page('keys/?prefix=/'));
	await button(page, 'New key').click();
	await page.getByLabel('Key', { exact: true }).fill('/taken');
	await page.getByLabel('Value', { exact: true }).fill('mine');
	await button(page, 'Create').click();
	await page.getByText('There is a key of this name already').waitFor();
	expect(await valueOf(cluster, '/taken')).toBe('theirs');
	await button(page, 'Open it').click();
	await expect.poll(() => content(page).innerText()).toBe('theirs');
});

test('a key of bytes is created from hex, with a lease of its own', async ({ open }) => {
	const { page } = await open(gateway.page('keys/'));
	await button(page, 'New key').click();
	await page.getByLabel('as hex').check();
	await page.getByLabel('Key', { exact: true }).fill('2fff00');
	await page.getByLabel('For so many seconds').check();
	await page.getByLabel('Seconds', { exact: true }).fill('500');
	await button(page, 'Create').click();
	await said(page, 'Created').waitFor();
	const kv = await cluster.etcd().get(Buffer.from('2fff00', 'hex'));
	expect(kv?.value).toBe('');
	expect(await cluster.etcd().timeToLive(kv?.lease ?? '0')).toBeGreaterThan(490);
	await page.locator('.key-name').getByText('ff00').waitFor();
	await page.locator('.facts').getByText('8m').first().waitFor();
});

test('what somebody else writes is shown at once, and edited text is kept', async ({ open }) => {
	await cluster.etcd().put('/live', 'one');
	const { page, seen } = await open(address(gateway, '/live'));
	await expect.poll(() => content(page).innerText()).toBe('one');
	await cluster.etcd().put('/live', 'two');
	await expect.poll(() => content(page).innerText()).toBe('two');
	await edit(page, 'mine');
	await cluster.etcd().put('/live', 'three');
	await page.getByText('Somebody has changed it meanwhile').waitFor();
	expect(await content(page).innerText()).toBe('mine');
	await cluster.etcd().delete('/live');
	await page.getByText('The key is deleted, or has expired').waitFor();
	expect(await content(page).innerText()).toBe('mine');
	await button(page, 'Save').click();
	await expect.poll(() => valueOf(cluster, '/live')).toBe('mine');
	await cluster.etcd().delete('/live');
	await page.getByText('The key is gone').waitFor();
	expect(seen.matching('/v3/kv/txn')).toHaveLength(1);
});

test('a key keeps its lease when it is saved, and gets another one without its value changing', async ({ open }) => {
	const etcd = cluster.etcd();
	const [lease, other] = await Promise.all([etcd.grant(600), etcd.grant(900)]);
	await etcd.put('/leased', 'one', lease);
	const { page } = await open(address(gateway, '/leased'));
	await page.locator('.facts').getByText('9m').waitFor();
	await expect.poll(() => content(page).innerText()).toBe('one');
	await edit(page, 'two');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(() => valueOf(cluster, '/leased')).toBe('two');
	expect((await etcd.get('/leased'))?.lease).toBe(lease);

	await button(page, 'Lease…').click();
	await page.getByLabel('Lease, in hexadecimal digits').fill(BigInt(other).toString(16));
	await button(page, 'Put it on this lease').click();
	await expect.poll(async () => (await etcd.get('/leased'))?.lease).toBe(other);
	await page.getByRole('dialog').waitFor({ state: 'detached' });

	await button(page, 'Lease…').click();
	await page.getByLabel('For so many seconds, on a new lease').check();
	await page.getByLabel('Seconds', { exact: true }).fill('120');
	await button(page, 'Set the TTL').click();
	await expect.poll(async () => [lease, other].includes((await etcd.get('/leased'))?.lease ?? '0')).toBe(false);
	await page.getByRole('dialog').waitFor({ state: 'detached' });
	await page.locator('.facts').getByText(/^1m/).waitFor();

	await button(page, 'Lease…').click();
	await page.getByLabel('Until it is deleted').check();
	await button(page, 'Keep it for good').click();
	await expect.poll(async () => (await etcd.get('/leased'))?.lease).toBe('0');
	expect(await valueOf(cluster, '/leased')).toBe('two');

	// A new lease that the key does not come to hang on is not left behind.
	const before = (await etcd.leases()).length;
	await page.getByRole('dialog').waitFor({ state: 'detached' });
	await intercept(page, '**/v3/kv/txn', (route) => route.fulfill({ status: 403, json: { code: 7, message: 'etcdserver: permission denied' } }));
	await button(page, 'Lease…').click();
	await page.getByLabel('For so many seconds, on a new lease').check();
	await button(page, 'Set the TTL').click();
	await page.getByText('You may not do this').waitFor();
	await expect.poll(async () => (await etcd.leases()).length).toBe(before);
});

test('bytes stay what they are', async ({ open }) => {
	const odd: [what: string, value: Uint8Array, more: string][] = [
		['CRLF', Buffer.from('a: 1\r\nb: 2\r\n'), 'X'],
		['mixed line breaks', Buffer.from('one\r\ntwo\nthree\rfour'), 'X'],
		['no last line break', Buffer.from('one\ntwo'), 'X'],
		['a byte order mark', Buffer.from('\ufeff{"a": 1}\r\n'), 'X'],
		['NUL', Buffer.from('one\0two\0'), 'X'],
		['nothing', Buffer.from(''), 'X'],
		['not UTF-8', Buffer.from('fffe0080c328', 'hex'), ' 58'],
	];
	await cluster.etcd().putAll(odd.map(([what, value]) => [`/bytes/${what}`, value]));
	const { page } = await open(gateway.page('keys/?prefix=/bytes/'));
	for (const [what, value, more] of odd) {
		const key = `/bytes/${what}`;
		await page.locator('.rows').getByRole('link', { name: what, exact: true }).click();
		await page.getByRole('complementary', { name: `Key ${key}` }).locator('.cm-content').click();
		await press(page, 'ControlOrMeta+End');
		await page.keyboard.insertText(more);
		await press(page, 'ControlOrMeta+s');
		await expect.poll(() => bytesOf(key), { message: what }).toBe(hex(value) + hex('X'));
		await page.locator('.key-state').getByText('Saved').waitFor();
		for (const _ of more) await press(page, 'Backspace');
		await press(page, 'ControlOrMeta+s');
		await expect.poll(() => bytesOf(key), { message: what }).toBe(hex(value));
		await page.locator('.key-state').getByText('Saved').waitFor();
		await expect.poll(() => button(page, 'Save').isDisabled()).toBe(true);
	}
});

test('a key of the gateway is deleted after a warning only, and by the revision that was shown', async ({ open }) => {
	await gateway.mod.lock('jobs', { ttl: 600, value: 'worker' });
	const [entry] = await cluster.etcd().list('/_etcd/mod/lock/jobs/');
	const { page } = await open(address(gateway, entry!.key));
	await button(page, 'Delete…').click();
	await page.getByText('It is an entry of a lock').waitFor();
	await button(page, 'Cancel').click();

	await page.route('**/v3/watch', (route) => route.abort());
	await cluster.etcd().put('/guarded', 'one');
	await page.goto(address(gateway, '/guarded'));
	await expect.poll(() => content(page).innerText()).toBe('one');
	await cluster.etcd().put('/guarded', 'two');
	await button(page, 'Delete…').click();
	await button(page, 'Delete').click();
	await page.getByText('It has been changed meanwhile').waitFor();
	expect(await valueOf(cluster, '/guarded')).toBe('two');
	await button(page, 'Delete what is there now').click();
	await expect.poll(() => valueOf(cluster, '/guarded')).toBeUndefined();
});

test('a plain field is there until the editor is, and what is typed into it is kept', async ({ open }) => {
	await cluster.etcd().put('/late', 'a\r\nb\r\n');
	const { page } = await open(gateway.page('keys/'));
	let release = (): void => undefined;
	const held = new Promise<void>((resolve) => (release = resolve));
	await page.route('**/editor.js', async (route) => {
		await held;
		await route.continue();
	});
	await page.goto(address(gateway, '/late'));
	const plain = page.locator('.value-field textarea');
	await plain.click();
	await press(page, 'ControlOrMeta+End');
	await page.keyboard.type('typed');
	await page.getByText('Edited, not saved').waitFor();
	release();
	await content(page).waitFor();
	await expect.poll(() => hasFocus(content(page))).toBe(true);
	await page.keyboard.type(' on');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(() => valueOf(cluster, '/late')).toBe('a\r\nb\r\ntyped on');
});

test('without the editor, the plain field works', async ({ open }) => {
	await cluster.etcd().put('/plain', 'a\r\nb\nc');
	const { page } = await open(gateway.page('keys/'), { tolerate: ['console'] });
	await page.route('**/editor.js', (route) => route.abort());
	await page.goto(address(gateway, '/plain'));
	await page.getByText('The editor could not be loaded').waitFor();
	await page.locator('.value-field textarea').click();
	await press(page, 'ControlOrMeta+End');
	await page.keyboard.type('X');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(() => valueOf(cluster, '/plain')).toBe('a\r\nb\ncX');
	await axe(page);
});

test('a value of a megabyte and a half is edited without waiting', async ({ open }) => {
	const line = `${'0123456789 '.repeat(20)}\n`;
	const value = line.repeat(Math.floor((1.4 * 1024 * 1024) / line.length));
	await cluster.etcd().put('/large', value);
	const { page } = await open(address(gateway, '/large'));
	await content(page).click();
	await press(page, 'ControlOrMeta+End');
	const began = performance.now();
	for (const key of 'typed') await press(page, key);
	const took = performance.now() - began;
	await press(page, 'ControlOrMeta+s');
	await expect.poll(async () => (await valueOf(cluster, '/large'))?.length).toBe(value.length + 5);
	expect(took).toBeLessThan(2_000);
	expect(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight)).toBe(true);
});

test('markup is text', async ({ open }) => {
	const markup = '<img src=x onerror=alert(1)>';
	await cluster.etcd().put(markup, `{"${markup}": "</script>${markup}"}`);
	await cluster.etcd().put(markup, `{"${markup}": 2}`);
	const { page } = await open(address(gateway, markup));
	await page.locator('.key-name').getByText(markup).waitFor();
	await expect.poll(() => content(page).innerText()).toContain(markup);
	await page.getByRole('tab', { name: 'History' }).click();
	await page.locator('.history-pick').nth(1).click();
	await page.locator('.comparison-host .cm-deletedChunk').waitFor();
	expect(await page.locator('img').count()).toBe(0);
});

test('where the dashboard is read-only, the controls say so', async ({ open }) => {
	await cluster.etcd().put('/readonly', 'one');
	gateway.reload({ readOnly: true });
	try {
		const { page } = await open(address(gateway, '/readonly'));
		await expect.poll(() => content(page).innerText()).toBe('one');
		for (const name of ['Save', 'Lease…', 'Delete…']) {
			expect(await button(page, name).isDisabled()).toBe(true);
			expect(await button(page, name).getAttribute('title')).toContain('reading only');
		}
		await content(page).click();
		await page.keyboard.type('x');
		expect(await content(page).innerText()).toBe('one');
	} finally {
		gateway.reload({ readOnly: false });
	}
});

describe('looks', () => {
	const value = JSON.stringify({ service: 'checkout', replicas: 3, limits: { cpu: 0.5, memory: '512Mi' }, flags: { newCart: true, discount: null }, hosts: ['a.example', 'b.example'] }, null, 2);
	for (const [scheme, width] of [['light', 'wide'], ['dark', 'narrow']] as const) {
		test(`${scheme}, ${width}`, async ({ open }) => {
			const etcd = cluster.etcd();
			await etcd.put('/config/checkout', value);
			await etcd.put('/config/checkout', value.replace('3', '4'));
			const visit = await open(address(gateway, '/config/checkout'), { scheme, width });
			const { page } = visit;
			await expect.poll(() => content(page).innerText()).toContain('checkout');
			await axe(page);
			await shot(visit, 'key');
			await page.getByRole('tab', { name: 'History' }).click();
			await page.locator('.history-pick').nth(1).click();
			await page.locator('.comparison-host .cm-content').waitFor();
			await axe(page);
			await shot(visit, 'key-history');
			await page.getByRole('tab', { name: 'Value' }).click();
			await edit(page, value.replace('3', '5').replace('0.5', '0.75'));
			await etcd.put('/config/checkout', value.replace('3', '6').replace('discount', 'rebate'));
			await button(page, 'See both').click();
			await page.getByRole('dialog').locator('.cm-content').first().waitFor();
			await axe(page);
			await shot(visit, 'key-conflict');
			expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
		});
	}
});
