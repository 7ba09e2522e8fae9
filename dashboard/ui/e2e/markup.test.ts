// What somebody has stored is shown as the text that it is, wherever it stands.

import type { Page } from 'playwright-core';
import { beforeAll } from 'vitest';
import { clientsKey } from './seed.ts';
import { eventually, expect, shot, shows, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();

const image = '<img src=x onerror=alert(1)>';
const script = '"><script>alert(1)</script>';
const address = 'javascript:alert(1)';
const payloads = [image, script, address, '{{alert(1)}}', "'-alert(1)-'", '<svg/onload=alert(1)>'];
// Slashes divide keys in a tree, so only the first part is shown.
const part = (payload: string): string => payload.split('/')[0]!;

// No "=" may be in a member's name, nor a ",".
const member = '"><script>alert(1)</script>';

let v3: Gateway;
let v2: Gateway;
let lease: string;
beforeAll(async () => {
	const [new37, old35] = await Promise.all([world.cluster({ names: [member] }), world.cluster({ version: '3.5', names: [member] })]);
	[v3, v2] = await Promise.all([world.gateway({ etcd: new37 }), world.gateway({ etcd: old35, api: 'v2' })]);
	const etcd = new37.etcd();
	lease = await etcd.grant(3600);
	await etcd.putAll(payloads.map((payload) => [payload, payload]));
	await etcd.putAll(payloads.map((payload) => [`on a lease ${payload}`, payload, lease]));
	// With a history, and as JSON, YAML and HTML.
	for (const value of ['first', image, script]) await etcd.put('changed', value);
	await etcd.put('value.json', JSON.stringify({ [image]: script, [address]: [image] }));
	await etcd.put('value.yaml', `${JSON.stringify(image)}: ${JSON.stringify(script)}\n# ${image}\n`);
	await etcd.put('value.html', `${image}\n${script}\n`);
	for (const payload of payloads) {
		for (const value of ['', payload]) {
			const own = await etcd.grant(3600);
			await etcd.put(clientsKey(`${value ? 'elects' : 'locks'} ${payload}`, own), value, own);
		}
	}
	const old = old35.v2();
	for (const payload of payloads) {
		await old.put(`/${payload.replaceAll('/', '|')}`, payload);
		await old.put(`/dir ${payload.replaceAll('/', '|')}/${payload.replaceAll('/', '|')}`, payload);
	}
	for (const { mod } of [v3, v2]) {
		world.onEnd(() => mod.abortAll());
		for (const payload of payloads) {
			await mod.lock(payload, { ttl: 3600, value: payload });
			mod.acquire(payload, { ttl: 3600, value: `waits ${payload}` });
			await mod.campaign(payload, payload, { ttl: 3600 }).reply;
			mod.campaign(payload, `stands by ${payload}`, { ttl: 3600 });
		}
		await eventually(async () => (await mod.locks()).every(({ queue }) => queue.length === 2));
	}
});

/** The texts can be read, and nothing of them has become an element. (That nothing ran, `open` sees to.) */
async function reads(page: Page, texts: string[]): Promise<void> {
	for (const text of texts) await shows(page, text);
	await harmless(page);
}

async function harmless(page: Page): Promise<void> {
	for (const selector of ['img[src="x"]', '[onerror]', '[onload]', 'script:not([src])', 'a[href^="javascript:" i]']) {
		expect(await page.locator(selector).count(), selector).toBe(0);
	}
}

const of = (page: string, name: string, text: string): string => `${page}/?${name}=${encodeURIComponent(text)}`;

// Addresses, and what is to be read there.
const pages: Record<'v3' | 'v2', () => [path: string, texts: string[]][]> = {
	v3: () => [
		['', [member]],
		['keys/', [image, address, ...payloads.map(part)]],
		...payloads.map((payload): [string, string[]] => [of('keys', 'key', payload), [payload]]),
		[of('keys', 'key', 'changed'), [script]],
		[of('keys', 'key', 'value.json'), [image]],
		[of('keys', 'key', 'value.yaml'), [image]],
		[of('keys', 'key', 'value.html'), [image]],
		// What is looked for, and what is found; what is not there, and is called so all the same.
		...[image, script].flatMap((payload): [string, string[]][] => [
			[of('keys', 'search', payload), [payload]],
			[of('keys', 'search', `none ${payload}`), [`none ${payload}`]],
			[of('keys', 'prefix', payload), [part(payload)]],
			[of('keys', 'key', `none ${payload}`), [`none ${payload}`]],
			[of('locks', 'filter', payload), [payload]],
			[of('elections', 'filter', `none ${payload}`), [`none ${payload}`]],
			[of('locks', 'name', `none ${payload}`), [`none ${payload}`]],
		]),
		['locks/', payloads],
		['locks/?by=clients', payloads.map((payload) => `locks ${payload}`)],
		...payloads.map((payload): [string, string[]] => [of('locks', 'name', payload), [payload, `waits ${payload}`]]),
		['elections/', payloads],
		['elections/?by=clients', [...payloads, ...payloads.map((payload) => `elects ${payload}`)]],
		...payloads.map((payload): [string, string[]] => [of('elections', 'name', payload), [payload, `stands by ${payload}`]]),
		// The key that is first of those that hang on it.
		['leases/', [BigInt(lease).toString(16), `on a lease ${script}`]],
		['leases/?filter=' + encodeURIComponent(image), [`on a lease ${image}`]],
		['leases/?filter=' + encodeURIComponent(`none ${image}`), [`none ${image}`]],
		[of('leases', 'id', image), [image]],
		[of('leases', 'id', BigInt(lease).toString(16)), payloads.map((payload) => `on a lease ${payload}`)],
	],
	v2: () => [
		['', [member]],
		['keys/', [image, address, `dir ${image}`]],
		[of('keys', 'key', `/${image}`), [image]],
		[of('keys', 'key', `/dir ${image}/${address}`), [address]],
		[of('keys', 'search', image), [image]],
		[of('keys', 'prefix', `/dir ${image}/`), [`dir ${image}`, address]],
		[of('keys', 'prefix', `/none ${image}/`), [`none ${image}`]],
		['locks/', payloads],
		[of('locks', 'name', image), [image, `waits ${image}`]],
		['elections/', payloads],
		[of('elections', 'name', image), [image, `stands by ${image}`]],
	],
};

test.for(['v3', 'v2'] as const)('over %s', { timeout: 120_000 }, async (api, { open }) => {
	const gateway = api === 'v3' ? v3 : v2;
	const visit = await open(gateway.page());
	const findings: string[] = [];
	for (const [path, texts] of pages[api]()) {
		try {
			await visit.page.goto(gateway.page(path));
			await reads(visit.page, texts);
		} catch (error) {
			findings.push(`${path}: ${(error as Error).message}`);
			await shot(visit, `failed-markup-${api}-${findings.length}`);
		}
	}
	expect(findings.join('\n')).toBe('');
});

test.for(['v3', 'v2'] as const)('what is asked and said about it, over %s', async (api, { open }) => {
	const gateway = api === 'v3' ? v3 : v2;
	const { page } = await open(gateway.page());
	const end = async (path: string, ask: RegExp, yes: string): Promise<void> => {
		await page.goto(gateway.page(path));
		await page.getByRole('main').getByRole('button', { name: ask }).first().click();
		const dialog = page.getByRole('dialog');
		await dialog.getByText(image).first().waitFor();
		await harmless(page);
		await dialog.getByRole('button', { name: yes, exact: true }).click();
		await page.locator('.toasts').getByText(image).first().waitFor();
		await harmless(page);
	};
	await end(of('locks', 'name', image), /^Release/, 'Release');
	await end(of('elections', 'name', image), /^Resign/, 'Resign');
	await end(of('keys', 'key', api === 'v3' ? image : `/${image}`), /^Delete…$/, 'Delete');
});
