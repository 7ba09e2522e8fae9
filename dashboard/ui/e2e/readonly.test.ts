// A dashboard that is read_only: the gateway refuses the writes, whatever its page does.

import { beforeAll, describe } from 'vitest';
import { furtherWrites, plainWrites, send, sneak, type Targets } from './attack.ts';
import { eventually, expect, shows, test, useWorld, type Cluster, type Gateway } from './test.ts';

const world = useWorld();

interface Site {
	cluster: Cluster;
	gateway: Gateway;
	targets: Targets;
}

async function site(api: 'v3' | 'v2', readOnly: boolean): Promise<Site> {
	const cluster = await world.cluster({ version: api === 'v2' ? '3.5' : '3.7' });
	const gateway = await world.gateway({ etcd: cluster, api, readOnly });
	const etcd = cluster.etcd();
	// Somebody who is no browser may write.
	const index = await gateway.mod.lock('guarded', { ttl: 3600, value: 'holder' });
	await gateway.mod.campaign('guarded', 'leader', { ttl: 3600 }).reply;
	const lease = await etcd.grant(3600);
	await etcd.put('guarded', 'as it was');
	await etcd.put('on a lease', 'as it was', lease);
	if (api === 'v2') await cluster.v2().put('/guarded', 'as it was');
	return { cluster, gateway, targets: { lock: { key: 'guarded', index }, election: { key: 'guarded', name: 'leader' }, lease } };
}

/** All that an attack might change; of a v2 gateway not the index, which its own work moves. */
async function state({ cluster, gateway }: Site): Promise<unknown> {
	const etcd = cluster.etcd();
	const { version } = cluster;
	return {
		revision: await etcd.revision(),
		leases: await etcd.leases(),
		members: await etcd.members(),
		alarms: await etcd.call('/v3/maintenance/alarm', { action: 'GET' }).then((answer) => (answer as { alarms?: unknown }).alarms),
		auth: await etcd.call('/v3/auth/status', {}).then((answer) => (answer as { enabled?: boolean }).enabled),
		locks: (await gateway.mod.locks()).map(({ key, index }) => [key, index]),
		leader: (await gateway.mod.election('guarded')).queue.map(({ index, value }) => [index, value]),
		attacked: (await gateway.mod.election('attacked')).index,
		v2: version === '3.5' ? await cluster.v2().get('/guarded') : undefined,
	};
}

describe.each(['v3', 'v2'] as const)('over %s', (api) => {
	let guarded: Site;
	let free: Site;
	beforeAll(async () => {
		[guarded, free] = await Promise.all([site(api, true), site(api, false)]);
	});

	test('nothing that its page sends writes, and it goes on showing', async ({ open }) => {
		const { gateway, cluster, targets } = guarded;
		const { page: watching } = await open(gateway.page('keys'));
		const { page, seen } = await open(gateway.page('keys'), { tolerate: ['csp', 'console'] });
		const before = await state(guarded);

		const said = await send(page, gateway.url, [...plainWrites(targets), ...furtherWrites(targets)]);
		expect(said.filter((line) => !line.endsWith(': 403'))).toEqual([]);
		const sneaked = await sneak(page, gateway.url);
		for (const answer of Object.values(sneaked)) expect(answer).not.toMatch(/\b(said|200)\b/);
		// What the page itself can't see, DevTools can: beacons are answered too.
		await eventually(() => seen.matching('/v3/kv/put').every(({ status, failure, type }) => type === 'WebSocket' || status === 403 || failure), {
			what: 'every put is answered with 403',
		});
		expect(await state(guarded)).toEqual(before);

		if (api === 'v2') await cluster.v2().put('/put-past-the-gateway', 'x');
		else await cluster.etcd().put('put-past-the-gateway', 'x');
		await shows(watching, 'put-past-the-gateway');
	});

	test('its controls, switched on again by hand, are told so in words', async ({ open }) => {
		const { gateway, cluster } = guarded;
		const { page } = await open(gateway.page());
		// As if somebody had changed the page's settings in the debugger.
		await page.route(/\/mod\/dashboard\/(keys|locks)\//, async (route) => {
			const response = await route.fetch();
			const body = (await response.text()).replace('readOnly&#34;:true', 'readOnly&#34;:false');
			expect(body).toContain('readOnly&#34;:false');
			await route.fulfill({ response, body });
		});
		const before = await state(guarded);

		await page.goto(gateway.page('keys/'));
		await page.getByRole('button', { name: 'New key' }).click();
		await page.getByLabel('Key', { exact: true }).fill('/attacked');
		await page.getByLabel('Value', { exact: true }).fill('attacked');
		await page.getByRole('button', { name: 'Create', exact: true }).click();
		await page.getByText(/read.only/i).filter({ visible: true }).first().waitFor();

		await page.goto(gateway.page('locks/?name=guarded'));
		await page.getByRole('button', { name: /^Release/ }).click();
		await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
		await page.getByText(/read.only/i).filter({ visible: true }).first().waitFor();

		expect(await state(guarded)).toEqual(before);
		if (api === 'v2') expect(await cluster.v2().get('/attacked')).toBeUndefined();
	});

	test('where it is not read_only, the same requests write', async ({ open }) => {
		const { gateway, targets } = free;
		const { page } = await open(gateway.page('keys'));
		const before = await state(free);
		const said = await send(page, gateway.url, plainWrites(targets));
		expect(said.filter((line) => !line.endsWith(': 200'))).toEqual([]);
		expect(await state(free)).not.toEqual(before);
	});
});
