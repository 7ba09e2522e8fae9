// A company at work: writes, renewals, hand-overs, until it is stopped.

import * as company from './company.ts';
import type { Etcd } from './etcd.ts';
import type { Mod } from './mod.ts';
import { Random } from './random.ts';
import type { Seeded } from './seed.ts';
import { sleep } from './world/eventually.ts';

export interface Work {
	/** Absent with the v2 API. */
	etcd?: Etcd;
	mod: Mod;
	seeded?: Seeded;
	/** Some key is written. */
	write: (key: string, value: string) => Promise<void>;
}

/** Starts it; the result stops it. */
export function traffic({ etcd, mod, seeded, write }: Work): () => void {
	const random = new Random(Date.now() | 0);
	let stopped = false;

	// Something that is done again and again. An etcd that is away is somebody's test.
	const again = async (pause: () => number, work: () => Promise<unknown>): Promise<void> => {
		while (!stopped) {
			await work().catch(() => undefined);
			await sleep(pause());
		}
	};
	const between = (low: number, high: number) => () => random.int(low, high);

	void again(between(100, 400), () => {
		const warehouse = random.of(['berlin', 'gdansk', 'lyon', 'porto', 'utrecht']);
		return write(`/stock/${warehouse}/matcha/MAT-${1005 + 12 * random.int(0, 30)}`, JSON.stringify({ onHand: random.int(0, 400), reserved: random.int(0, 30), shelf: 'B7' }));
	});
	void again(between(900, 1100), () => write('/stats/orders-per-minute', String(random.int(40, 90))));
	void again(between(2000, 5000), () => {
		const perSecond = random.of([100, 120, 150, 200]);
		return write(company.changed.key, JSON.stringify({ perSecond, burst: perSecond * 2, maxBasket: 80, countries: ['DE', 'FR', 'NL'] }, null, 2));
	});

	if (etcd && seeded) {
		for (const { id, ttl } of seeded.leases) {
			void again(() => (ttl / 3) * 1000, () => etcd.keepAlive(id));
		}
	}

	for (const { key, ttl } of company.locks()) {
		// Who holds it goes on for a while, with renewals; then the next one has it, and
		// somebody new queues.
		void again(between(700, 1500), async () => {
			const { index, queue, ttl: left } = await mod.queue(key);
			if (queue.length === 0) {
				await mod.acquire(key, { ttl, value: `${random.of(['worker', 'ci'])}-${random.int(1, 40)}` }).reply;
			} else if (left < ttl / 2) {
				await mod.renew(key, { ttl, index });
			} else if (random.next() < 0.03) {
				await mod.release(key, { index });
			} else if (queue.length < 14 && random.next() < 0.04) {
				void mod.acquire(key, { ttl, value: `${random.of(['worker', 'cron'])}-${random.int(1, 400)}.${random.of(company.regions)}` });
			}
		});
	}
	for (const { key, ttl, who } of company.elections()) {
		void again(between(1500, 4000), async () => {
			const { value, ttl: left, queue } = await mod.election(key);
			if (queue.length > 0 && left < ttl / 2) await mod.campaign(key, value, { ttl, timeout: 0 }).reply;
			else if (queue.length > 1 && random.next() < 0.05) await mod.resign(key, value);
			const away = who.find((name) => !queue.some((entry) => entry.value === name));
			if (away && random.next() < 0.5) void mod.campaign(key, away, { ttl });
		});
	}
	return () => {
		stopped = true;
		mod.abortAll();
	};
}
