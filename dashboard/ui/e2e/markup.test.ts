// What somebody has stored is shown as the text that it is, wherever it stands.

import type { Page } from 'playwright-core';
import { beforeAll } from 'vitest';
import { clientsKey } from './seed.ts';
import { eventually, expect, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();

const image = '<img src=x onerror=alert(1)>';
const script = '"><script>alert(1)</script>';
const address = 'javascript:alert(1)';
const payloads = [image, script, address, '{{alert(1)}}', "'-alert(1)-'", '<svg/onload=alert(1)>'];
// Slashes divide keys in a tree, so they are shown in parts.
const part = (payload: string): string => payload.split('/').at(-1)!;

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
		const own = await etcd.grant(3600);
		await etcd.put(clientsKey(`clients ${payload}`, own), payload, own);
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
	for (const text of texts) await page.locator('main').getByText(text).first().waitFor();
	for (const selector of ['img[src="x"]', '[onerror]', 'svg[onload]', '[onload]', 'script:not([src])', 'a[href^="javascript:" i]']) {
		expect(await page.locator(selector).count(), selector).toBe(0);
	}
}

const query = (name: string, text: string): string => `?${name}=${encodeURIComponent(text)}`;

// An address, and what is to be read there.
const pages: [api: 'v3' | 'v2', path: string, texts: string[]][] = [
	['v3', '', [member]],
	['v3', 'keys/', [image, address, ...payloads.map(part)]],
	...payloads.map((payload): ['v3', string, string[]] => ['v3', `keys/${query('key', payload)}`, [payload]]),
	['v3', `keys/${query('key', 'changed')}`, [script]],
	['v3', `keys/${query('key', 'value.json')}`, [image]],
	['v3', `keys/${query('key', 'value.yaml')}`, [image]],
	['v3', `keys/${query('key', 'value.html')}`, [image]],
	['v3', 'locks/', payloads],
	['v3', 'elections/?by=clients', payloads.map((payload) => `clients ${payload}`)],
	...payloads.map((payload): ['v3', string, string[]] => ['v3', `locks/${query('name', payload)}`, [payload, `waits ${payload}`]]),
	['v3', 'elections/', payloads],
	...payloads.map((payload): ['v3', string, string[]] => ['v3', `elections/${query('name', payload)}`, [payload, `stands by ${payload}`]]),
	['v3', 'leases/', []],
	['v2', '', [member]],
	['v2', 'keys/', [image, address, `dir ${image}`]],
	['v2', `keys/${query('key', `/${image}`)}`, [image]],
	['v2', `keys/${query('key', `/dir ${image}/${address}`)}`, [address]],
	['v2', 'locks/', payloads],
	['v2', 'elections/', payloads],
];

test.for(pages)('over %s, %s', async ([api, path, texts], { open }) => {
	const { page } = await open((api === 'v3' ? v3 : v2).page(path));
	await reads(page, texts);
});

test('the keys of a lease', async ({ open }) => {
	const { page } = await open(v3.page(`leases/${query('id', BigInt(lease).toString(16))}`));
	await reads(page, payloads.map((payload) => `on a lease ${payload}`));
});
