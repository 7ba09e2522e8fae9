// A save that somebody was before, whose answer is lost, or that has to wait: no text is lost,
// and nothing of theirs is written over unseen.

import type { Page } from 'playwright-core';
import { beforeAll, describe } from 'vitest';
import { address, button, content, edit, said, valueOf } from './editor.ts';
import { axe, type Cluster, eventually, expect, type Gateway, intercept, press, test, useWorld } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster({ members: 3 });
	gateway = await world.gateway({ etcd: cluster });
});

describe('a conflict', () => {
	/** Edits a key, and has somebody else write it without this page hearing of it. */
	async function conflict(page: Page, key: string, theirs: string | undefined): Promise<void> {
		await page.route('**/v3/watch', (route) => route.abort());
		await cluster.etcd().put(key, 'base');
		await page.goto(address(gateway, key));
		await expect.poll(() => content(page).innerText()).toBe('base');
		await edit(page, 'mine');
		await (theirs === undefined ? cluster.etcd().delete(key) : cluster.etcd().put(key, theirs));
		await button(page, 'Save').click();
		await page.getByRole('dialog').waitFor();
		expect(await valueOf(cluster, key)).toBe(theirs);
	}

	test('shows both and writes nothing; mine goes on, on top of theirs', async ({ open }) => {
		const { page } = await open(gateway.page('keys/'));
		await conflict(page, '/conflict/keep', 'theirs');
		const dialog = page.getByRole('dialog');
		await expect.poll(() => dialog.locator('.cm-merge-a .cm-content').innerText()).toBe('theirs');
		expect(await dialog.locator('.cm-merge-b .cm-content').innerText()).toBe('mine');
		await axe(page);
		await button(page, 'Keep editing mine').click();
		expect(await content(page).innerText()).toBe('mine');
		expect(await valueOf(cluster, '/conflict/keep')).toBe('theirs');
		await button(page, 'Save').click();
		await expect.poll(() => valueOf(cluster, '/conflict/keep')).toBe('mine');
	});

	test('theirs is taken', async ({ open }) => {
		const { page } = await open(gateway.page('keys/'));
		await conflict(page, '/conflict/take', 'theirs');
		await button(page, 'Take theirs').click();
		await expect.poll(() => content(page).innerText()).toBe('theirs');
		expect(await button(page, 'Save').isDisabled()).toBe(true);
		expect(await valueOf(cluster, '/conflict/take')).toBe('theirs');
	});

	test('mine is written over the theirs that was shown, and no other', async ({ open }) => {
		const { page } = await open(gateway.page('keys/'));
		await conflict(page, '/conflict/over', 'theirs');
		await cluster.etcd().put('/conflict/over', 'again');
		await button(page, 'Write mine over theirs').click();
		await expect.poll(() => page.locator('.cm-merge-a .cm-content').innerText()).toBe('again');
		expect(await valueOf(cluster, '/conflict/over')).toBe('again');
		await button(page, 'Write mine over theirs').click();
		await expect.poll(() => valueOf(cluster, '/conflict/over')).toBe('mine');
	});

	test('with a deletion', async ({ open }) => {
		const { page } = await open(gateway.page('keys/'));
		await conflict(page, '/conflict/deleted', undefined);
		await page.getByText('Somebody has deleted this key meanwhile').waitFor();
		await button(page, 'Create it again with mine').click();
		await expect.poll(() => valueOf(cluster, '/conflict/deleted')).toBe('mine');
	});
});

describe('an answer that is lost', () => {
	test('of a write that was done', async ({ open }) => {
		await cluster.etcd().put('/lost/done', 'one');
		const { page } = await open(address(gateway, '/lost/done'));
		await expect.poll(() => content(page).innerText()).toBe('one');
		await edit(page, 'two');
		let writes = 0;
		await intercept(page, '**/v3/kv/txn', async (route) => {
			writes++;
			await route.fetch();
			await route.abort();
		});
		await press(page, 'ControlOrMeta+s');
		await page.getByText('The answer was late, but it was saved').waitFor();
		expect(await valueOf(cluster, '/lost/done')).toBe('two');
		expect(await button(page, 'Save').isDisabled()).toBe(true);
		expect(writes).toBe(1);
	});

	test('of a write that was not done', async ({ open }) => {
		await cluster.etcd().put('/lost/not', 'one');
		const { page } = await open(address(gateway, '/lost/not'));
		await expect.poll(() => content(page).innerText()).toBe('one');
		await edit(page, 'two');
		let writes = 0;
		let reachable = false;
		await intercept(page, '**/v3/kv/*', (route) => {
			if (route.request().url().endsWith('txn')) writes++;
			return reachable ? route.continue() : route.abort();
		});
		await press(page, 'ControlOrMeta+s');
		await page.getByText('The answer to the save got lost').waitFor();
		expect(await content(page).innerText()).toBe('two');
		reachable = true;
		await said(page, 'It has not been saved so far').waitFor();
		expect(writes).toBe(1);
		expect(await valueOf(cluster, '/lost/not')).toBe('one');
		await press(page, 'ControlOrMeta+s');
		await expect.poll(() => valueOf(cluster, '/lost/not')).toBe('two');
	});
});

test('text is kept when etcd asks who this is', async ({ open }) => {
	await cluster.etcd().put('/session', 'one');
	const { page } = await open(address(gateway, '/session'));
	await expect.poll(() => content(page).innerText()).toBe('one');
	await edit(page, 'two');
	await intercept(page, '**/v3/kv/txn', (route) => route.fulfill({ status: 401, json: { code: 16, message: 'etcdserver: invalid auth token' } }), { times: 1 });
	await press(page, 'ControlOrMeta+s');
	await page.getByText('Sign in to etcd').waitFor();
	await button(page, 'Not now').click();
	await page.getByText('Your text is kept').waitFor();
	expect(await content(page).innerText()).toBe('two');
	expect(await valueOf(cluster, '/session')).toBe('one');
	await press(page, 'ControlOrMeta+s');
	await expect.poll(() => valueOf(cluster, '/session')).toBe('two');
});

test('edited text survives switching pages, a new gateway and a new leader', async ({ open }) => {
	const etcd = cluster.etcd(cluster.members.indexOf(await cluster.follower()));
	await etcd.put('/survives', 'one');
	const { page } = await open(gateway.page('keys/?prefix=/'));
	await page.locator('.rows').getByText('survives').click();
	await expect.poll(() => content(page).innerText()).toBe('one');
	await edit(page, 'edited');

	await page.getByRole('link', { name: 'Locks' }).click();
	await page.getByText('Leave without saving?').waitFor();
	await button(page, 'Cancel').click();
	expect(await content(page).innerText()).toBe('edited');
	await page.goBack().catch(() => undefined);
	await page.getByText('Leave without saving?').waitFor();
	await button(page, 'Cancel').click();
	await page.getByRole('tab', { name: 'History' }).click();
	await page.locator('.history-pick').first().waitFor();
	await page.getByRole('tab', { name: 'Value' }).click();
	expect(await content(page).innerText()).toBe('edited');

	await gateway.restart();
	await page.locator('.key-detail').getByText('live', { exact: true }).waitFor();
	expect(await content(page).innerText()).toBe('edited');

	const leader = await cluster.leader();
	await leader.kill();
	try {
		expect(await content(page).innerText()).toBe('edited');
		await eventually(
			async () => {
				if (await button(page, 'Save').isEnabled()) await press(page, 'ControlOrMeta+s');
				return (await etcd.get('/survives').catch(() => undefined))?.value === 'edited';
			},
			{ within: 20_000, every: 500 },
		);
		await expect.poll(() => page.locator('.key-state').innerText()).toBe('');
		expect((await etcd.get('/survives'))?.version).toBe('2');
	} finally {
		await leader.restart();
	}
});
