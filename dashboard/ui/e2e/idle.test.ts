// A page that is only looked at: what is new comes by push, so it asks for nothing.

import { beforeAll } from 'vitest';
import { places } from './places.ts';
import { expect, eventually, sleep, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();
let v3: Gateway;
let v2: Gateway;
let lease: string;
beforeAll(async () => {
	const [new37, old35] = await Promise.all([world.cluster(), world.cluster({ version: '3.5' })]);
	[v3, v2] = await Promise.all([world.gateway({ etcd: new37 }), world.gateway({ etcd: old35, api: 'v2' })]);
	const etcd = new37.etcd();
	await etcd.put('leased', 'x', await etcd.grant(600));
	await etcd.put('plain', 'x');
	await old35.v2().put('/plain', 'x');
	// A refresh tells no watcher.
	await old35.v2().put('/often/refreshed', 'x', ttl);
	// Nor do keepalives, such as those of the gateway's session.
	const id = await etcd.grant(ttl);
	await etcd.put('session', 'x', id);
	lease = `leases/?id=${BigInt.asUintN(64, BigInt(id)).toString(16)}`;
	const refreshing = setInterval(() => {
		for (const done of [refresh(old35.endpoints[0] ?? ''), etcd.keepAlive(id)]) void done.catch(() => undefined);
	}, 500);
	world.onEnd(() => clearInterval(refreshing));
	for (const { mod } of [v3, v2]) {
		world.onEnd(() => mod.abortAll());
		await mod.lock('held', { ttl: 600, value: 'holder' });
		mod.acquire('held', { ttl: 600, value: 'waiter' });
		await mod.campaign('election', 'leader', { ttl: 600 }).reply;
		mod.campaign('election', 'candidate', { ttl: 600 });
		await eventually(async () => (await mod.queue('held')).queue.length + (await mod.election('election')).queue.length === 4);
	}
});

const often = 'keys/?prefix=/often/';
const ttl = 8; // seconds, of which a slow machine may miss some
async function refresh(endpoint: string): Promise<void> {
	await fetch(`${endpoint}/v2/keys/often/refreshed`, { method: 'PUT', body: new URLSearchParams({ ttl: String(ttl), refresh: 'true', prevExist: 'true' }) });
}

// All of them at once, since it takes as long as one.
test('every page, over both APIs', { timeout: 120_000 }, async ({ open }) => {
	const pages = [
		...places.map(({ path }) => ({ gateway: v3, path })),
		...['keys/?key=plain', 'locks/?name=held', 'locks/?by=clients', 'elections/?name=election', lease].map((path) => ({ gateway: v3, path })),
		...places.filter(({ only }) => !only).map(({ path }) => ({ gateway: v2, path })),
		...['keys/?key=/plain', 'locks/?name=held', often].map((path) => ({ gateway: v2, path })),
	];
	const visits = [];
	for (const { gateway, path } of pages) visits.push({ gateway, path, ...(await open(gateway.page(path))) });
	await sleep(2_500); // what belongs to the opening
	// What is kept alive is looked at twice, and then no more.
	for (const { page, path } of visits) {
		if (path === often || path === lease) await page.getByText('kept alive').first().waitFor({ timeout: 40_000 });
	}
	const from = visits.map(({ seen }) => seen.now);
	await sleep(6_000); // what is looked at
	for (const [i, { gateway, path, seen }] of visits.entries()) {
		const asked = seen.since(from[i]!);
		const status = `GET ${gateway.page('api/cluster')}`;
		expect(asked.filter((line) => line !== status), gateway.page(path)).toEqual([]);
		// Only the overview asks, and not more often than it has to to see a dead member within 5 s.
		expect(asked.length).toBeLessThanOrEqual(path === '' ? 6 : 0);

		const streams = seen.requests.filter(({ ended, answered }) => answered !== undefined && ended === undefined).map(({ method, url, body }) => `${method} ${url} ${body}`);
		expect(new Set(streams).size, streams.join('\n')).toBe(streams.length);
		// etcd tells nobody of leases.
		if (/^(keys|locks|elections)/.test(path)) expect(streams.length, `streams of ${gateway.page(path)}`).toBeGreaterThan(0);
	}
});
