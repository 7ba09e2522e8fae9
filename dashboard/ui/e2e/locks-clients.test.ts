// The locks of etcd's own clients, which are keys on leases.

import { beforeAll } from 'vitest';
import { holder, line, live, waiters } from './queues.ts';
import { clientsKey } from './seed.ts';
import { axe, expect, shot, test, type Cluster, type Gateway, useWorld } from './test.ts';

const world = useWorld();
let cluster: Cluster;
let gateway: Gateway;
beforeAll(async () => {
	cluster = await world.cluster();
	gateway = await world.gateway({ etcd: cluster });
});

test('are the only stream while they are looked at', async ({ open }) => {
	const { page, seen } = await open(gateway.page('locks/'));
	await live(page);
	await page.getByRole('link', { name: 'etcd’s own clients' }).click();
	await live(page);
	const streams = (): string[] => seen.requests.filter(({ answered, ended }) => answered !== undefined && ended === undefined).map(({ url }) => new URL(url).pathname);
	await expect.poll(streams).toEqual(['/v3/watch']);
	await page.getByRole('link', { name: 'The gateway’s' }).click();
	await live(page);
	await expect.poll(streams).toEqual(['/mod/v2/lock/']);
});

test('are found, are told of, and are in their order', async ({ open }) => {
	const etcd = cluster.etcd();
	const make = async (prefix: string, value = ''): Promise<string> => {
		const lease = await etcd.grant(300);
		await etcd.put(clientsKey(prefix, lease), value, lease);
		return lease;
	};
	const first = await make('/app/mutex');
	const second = await make('/app/mutex');
	await make('/app/election', 'candidate');
	await etcd.put('/app/mutex/ff', ''); // no lease
	const { page } = await open(gateway.page('locks/?by=clients'));
	const hex = (lease: string): string => `lease ${BigInt(lease).toString(16).padStart(16, '0')}`;
	const shown = async (): Promise<string[]> => [await holder(page, '/app/mutex').innerText(), ...(await waiters(page, '/app/mutex'))];
	await expect.poll(shown).toEqual([hex(first), hex(second)]);
	expect(await page.locator('.queues-name').allInnerTexts()).toEqual(['/app/mutex']);
	const third = await make('/app/mutex');
	await expect.poll(shown, { timeout: 1000 }).toEqual([hex(first), hex(second), hex(third)]);
	await etcd.revoke(first);
	await expect.poll(shown, { timeout: 1000 }).toEqual([hex(second), hex(third)]);
	expect(await page.getByText('/_etcd/').count()).toBe(0);
	await shot({ page, scheme: 'light', width: 'wide' } as Parameters<typeof shot>[0], 'locks-clients');
	await axe(page);
});

test('are not looked for among very many keys before it has been asked', async ({ open }) => {
	const many = await world.cluster();
	const etcd = many.etcd();
	await etcd.fill(25_000, '/many/');
	const lease = await etcd.grant(300);
	await etcd.put(clientsKey('/zz/mutex', lease), '', lease);
	const own = await world.gateway({ etcd: many });
	const { page, seen } = await open(own.page('locks/?by=clients'));
	await page.getByText('There are 25,001 keys').waitFor();
	expect(seen.matching('/v3/kv/range')).toHaveLength(1);
	await page.getByRole('button', { name: 'Look at all keys' }).click();
	await line(page, '/zz/mutex').waitFor();
	await live(page);
	for (const { size } of seen.matching('/v3/kv/range')) expect(size).toBeLessThan(1 << 20);
	await page.getByLabel('Only below this prefix').fill('/zz/');
	await page.getByRole('button', { name: 'Look' }).click();
	await line(page, '/zz/mutex').waitFor();
	await page.reload();
	await line(page, '/zz/mutex').waitFor();
});
