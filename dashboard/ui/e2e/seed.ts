// Puts the company's data into an etcd, and people into its queues.

import * as company from './company.ts';
import type { Etcd } from './etcd.ts';
import type { Mod } from './mod.ts';
import type { V2 } from './v2.ts';
import { eventually } from './world/eventually.ts';

export interface Seeded {
	/** Leases that somebody has to keep alive, with their seconds. */
	leases: { id: string; ttl: number }[];
}

/** Everything, through v3. The lock's waiters go with `mod.abortAll()`. */
export async function seed(etcd: Etcd, mod: Mod): Promise<Seeded> {
	const [leases] = await Promise.all([seedLeases(etcd), seedKeys(etcd), seedQueues(mod)]);
	return { leases };
}

export async function seedKeys(etcd: Etcd): Promise<void> {
	await etcd.putAll(company.keys());
	for (const value of company.changed.versions) await etcd.put(company.changed.key, value);
}

/** What lives as long as its lease. */
export async function seedLeases(etcd: Etcd): Promise<Seeded['leases']> {
	const leases = await Promise.all(
		company.instances().map(async ({ key, value, ttl }) => {
			const id = await etcd.grant(ttl);
			await etcd.put(key, value, id);
			return { id, ttl };
		}),
	);
	for (const { prefix, values } of company.ofClients) {
		for (const value of values) {
			const id = await etcd.grant(600);
			await etcd.put(clientsKey(prefix, id), value, id);
			leases.push({ id, ttl: 600 });
		}
	}
	// One with several keys, and one with none.
	const batch = await etcd.grant(1800);
	await etcd.putAll(Array.from({ length: 12 }, (_, i) => [`/sessions/till-${i + 1}`, `cashier ${i + 20}`, batch]));
	return [...leases, { id: batch, ttl: 1800 }, { id: await etcd.grant(3600), ttl: 3600 }];
}

/** The key that etcd's own Mutex and Election make: the lease in hex. */
export const clientsKey = (prefix: string, lease: string): string => `${prefix}/${BigInt(lease).toString(16)}`;

/** Locks and elections, each queue in its order. */
export async function seedQueues(mod: Mod): Promise<void> {
	await Promise.all([
		...company.locks().map(async ({ key, ttl, who }) => {
			for (const [i, value] of who.entries()) {
				const { reply } = mod.acquire(key, { ttl, value });
				await (i === 0 ? reply : has(() => mod.queue(key), i + 1));
			}
		}),
		...company.elections().map(async ({ key, ttl, who }) => {
			for (const [i, name] of who.entries()) {
				const { reply } = mod.campaign(key, name, { ttl });
				await (i === 0 ? reply : has(() => mod.election(key), i + 1));
			}
		}),
	]);
}

const has = (look: () => Promise<{ queue: unknown[] }>, entries: number): Promise<unknown> =>
	eventually(async () => (await look()).queue.length >= entries, { what: `${entries} in the queue`, every: 10 });

/** Keys and directories in etcd's v2 API: what text there is of the company's. */
export async function seedV2(v2: V2): Promise<void> {
	const pairs = company.keys().filter((pair): pair is [string, string] => typeof pair[0] === 'string' && typeof pair[1] === 'string');
	const some = pairs.filter(([key], i) => key.startsWith('/') && !key.includes('//') && (!key.startsWith('/stock/') || i % 5 === 0));
	const next = some[Symbol.iterator]();
	await Promise.all(
		Array.from({ length: 8 }, async () => {
			for (const [key, value] of next) await v2.put(key, value);
		}),
	);
	for (const { key, value, ttl } of company.instances()) await v2.put(key, value, ttl);
	await v2.mkdir('/empty-directory');
	await v2.mkdir('/sessions', 600);
	await v2.put('/sessions/till-1', 'cashier 21', 300);
}
