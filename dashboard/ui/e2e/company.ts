// What a small company that sells tea and bicycles by post has in its etcd. Everything
// is the same in each run, so that pictures can be compared.

import { Random } from './random.ts';

export type Pair = [key: string | Uint8Array, value: string | Uint8Array];

const environments = ['production', 'staging'];
export const services = [
	...['basket', 'billing', 'catalog', 'checkout', 'gateway', 'identity', 'images', 'inventory', 'mail', 'notifications'],
	...['orders', 'payments', 'pricing', 'recommendations', 'returns', 'search', 'shipping', 'storefront', 'tax', 'warehouse'],
];
export const regions = ['eu-central', 'eu-west', 'us-east'];
const warehouses = ['berlin', 'gdansk', 'lyon', 'porto', 'utrecht'];
const products = ['assam', 'darjeeling', 'earl-grey', 'gravel-bike', 'kettle', 'matcha', 'oolong', 'pannier', 'saddle', 'sencha', 'teapot', 'touring-bike'];

const json = (value: unknown): string => JSON.stringify(value, null, 2);

function configuration(random: Random, environment: string, service: string): Pair[] {
	const at = `/config/${environment}/${service}`;
	const replicas = environment === 'production' ? random.int(3, 12) : 1;
	return [
		[
			`${at}/database.json`,
			json({
				host: `pg-${random.int(1, 4)}.${environment}.internal`,
				port: 5432,
				name: service,
				pool: { min: 2, max: random.of([10, 20, 40]), idleTimeout: '30s' },
				readOnlyReplicas: Array.from({ length: random.int(0, 2) }, (_, i) => `pg-${i + 5}.${environment}.internal`),
				tls: environment === 'production',
			}),
		],
		[
			`${at}/deployment.yaml`,
			`# written by deploy-bot, do not edit by hand
service: ${service}
image: registry.internal/${service}:${random.int(1, 4)}.${random.int(0, 30)}.${random.int(0, 9)}
replicas: ${replicas}
resources:
  cpu: ${random.of(['250m', '500m', '1'])}
  memory: ${random.of(['256Mi', '512Mi', '1Gi'])}
rollout:
  strategy: ${random.of(['rolling', 'blue-green', 'canary'])}
  maxUnavailable: ${replicas > 3 ? 1 : 0}
regions:
${regions.map((region) => `  - ${region}`).join('\n')}
`,
		],
		[`${at}/log-level`, random.of(['info', 'info', 'info', 'warn', 'debug'])],
		[`${at}/rate-limit`, String(random.of([50, 100, 200, 500, 1000]))],
		[`${at}/timeout`, random.of(['500ms', '1s', '2s', '5s'])],
	];
}

function flags(random: Random): Pair[] {
	const names = [
		...['checkout/one-page', 'checkout/pay-later', 'checkout/guest', 'search/typo-tolerance', 'search/vector-ranking'],
		...['storefront/dark-mode', 'storefront/new-header', 'storefront/live-stock', 'pricing/dynamic', 'pricing/member-discount'],
		...['shipping/same-day', 'shipping/parcel-lockers', 'mail/weekly-digest', 'identity/passkeys', 'returns/instant-refund'],
	];
	return names.map((name) => [
		`/flags/${name}`,
		json({ enabled: random.next() < 0.6, rollout: random.of([0, 5, 25, 50, 100]), owner: `team-${name.split('/')[0]}`, since: `2026-${String(random.int(1, 11)).padStart(2, '0')}-14` }),
	]);
}

function stock(random: Random): Pair[] {
	return warehouses.flatMap((warehouse) =>
		Array.from({ length: 600 }, (_, i): Pair => {
			const product = products[i % products.length]!;
			return [
				`/stock/${warehouse}/${product}/${product.slice(0, 3).toUpperCase()}-${String(1000 + i)}`,
				JSON.stringify({ onHand: random.int(0, 400), reserved: random.int(0, 30), shelf: `${random.of(['A', 'B', 'C', 'D'])}${random.int(1, 40)}` }),
			];
		}),
	);
}

function jobs(random: Random): Pair[] {
	const nightly = ['close-books', 'expire-baskets', 'export-tax', 'rebuild-search-index', 'restock', 'rotate-keys', 'send-digest', 'sync-prices', 'verify-backups'];
	return [
		...nightly.flatMap((job, i): Pair[] => [
			[`/jobs/nightly/${job}/schedule`, `${random.int(0, 59)} ${i % 6} * * *`],
			[`/jobs/nightly/${job}/last-run`, json({ started: `2026-11-28T0${i % 6}:${random.int(10, 59)}:04Z`, seconds: random.int(4, 900), ok: job !== 'export-tax', rows: random.int(10, 90_000) })],
		]),
		...Array.from({ length: 240 }, (_, i): Pair => [
			`/jobs/queue/${String(48_120 + i)}`,
			JSON.stringify({ type: random.of(['invoice', 'label', 'thumbnail', 'welcome-mail']), order: random.int(700_000, 799_999), attempts: random.int(0, 3) }),
		]),
	];
}

// What no tidy company would have, and every real one has.
function oddities(random: Random): Pair[] {
	return [
		['motd', 'Stocktaking on Saturday: no deployments between 8 and 14 o\'clock.'],
		['/maintenance', ''],
		['/_schema', '17'],
		['/config//legacy', 'two slashes, and nobody knows why'],
		['/i18n/greeting/ja', 'いらっしゃいませ'],
		['/i18n/greeting/ar', 'أهلاً وسهلاً'],
		['/secrets/session-key', Uint8Array.from({ length: 48 }, () => random.int(0, 255))],
		[Uint8Array.from([...Buffer.from('/cache/'), 0xff, 0xfe, 0x00, 0x80, 0x41]), 'a key that is no text'],
		['/docs/runbook', `# When orders stall\n\n1. Look who leads \`order-processing\`.\n2. Look at the queue of \`payments/settlement\`.\n3. Ask in #on-call before you release anything.\n`],
		['/config/production/storefront/banner.html', '<b>Free shipping</b> over 50 &euro; until Sunday'],
	];
}

/** All keys without a lease, some 3,600. */
export function keys(): Pair[] {
	const random = new Random(7);
	return [
		...environments.flatMap((environment) => services.flatMap((service) => configuration(random, environment, service))),
		...flags(random),
		...jobs(random),
		...stock(random),
		...oddities(random),
	];
}

/** A key that has changed often, and how. */
export const changed = {
	key: '/config/production/checkout/limits.json',
	versions: [10, 25, 25, 50, 100, 80, 120].map((perSecond, i) =>
		json({ perSecond, burst: perSecond * 2, maxBasket: i < 3 ? 50 : 80, countries: ['DE', 'FR', 'NL', 'PL', 'PT'].slice(0, 2 + (i % 4)) }),
	),
};

/** Instances that register themselves, each on a lease of its own. */
export function instances(): { key: string; value: string; ttl: number }[] {
	const random = new Random(11);
	return services.flatMap((service) =>
		Array.from({ length: random.int(1, 3) }, () => {
			const id = `${service}-${random.hex(6)}`;
			const address = `10.${random.int(0, 3)}.${random.int(0, 255)}.${random.int(2, 254)}:${random.of([8080, 8443, 9000])}`;
			return {
				key: `/services/${service}/${id}`,
				value: JSON.stringify({ id, address, region: random.of(regions), version: `${random.int(1, 4)}.${random.int(0, 30)}.0`, weight: 100 }),
				ttl: random.of([60, 120, 300, 900]),
			};
		}),
	);
}

export interface Held {
	key: string;
	ttl: number;
	/** In order: the first holds it. */
	who: string[];
}

/** Twenty locks, with who holds and who waits. */
export function locks(): Held[] {
	const random = new Random(3);
	const names = [
		...['deploy/checkout', 'deploy/payments', 'deploy/storefront', 'inventory/recount/berlin', 'inventory/recount/porto'],
		...['jobs/close-books', 'jobs/rebuild-search-index', 'jobs/restock', 'jobs/send-digest', 'jobs/verify-backups'],
		...['mail/bounces', 'migrations/catalog', 'migrations/orders', 'payments/refunds', 'payments/settlement'],
		...['printer/labels-gdansk', 'printer/labels-lyon', 'terraform/network', 'terraform/storage', 'warehouse/crane-2'],
	];
	const waiting = [4, 0, 2, 1, 0, 0, 3, 1, 0, 0, 0, 0, 7, 2, 12, 5, 0, 1, 0, 3];
	return names.map((key, i) => ({
		key,
		ttl: random.of([45, 90, 300, 900, 3600]),
		who: Array.from({ length: 1 + waiting[i]! }, (_, j) => `${random.of(['worker', 'ci', 'ops', 'cron'])}-${j + 1}.${random.of(regions)}`),
	}));
}

export function elections(): Held[] {
	return [
		{ key: 'order-processing', ttl: 120, who: ['orders-1.eu-central', 'orders-2.eu-west', 'orders-3.us-east'] },
		{ key: 'scheduler', ttl: 90, who: ['scheduler-b.internal', 'scheduler-a.internal'] },
		{ key: 'search/indexer', ttl: 300, who: ['search-0', 'search-1', 'search-2', 'search-3'] },
		{ key: 'billing/invoices', ttl: 600, who: ['10.0.1.17:8080', '10.0.2.4:8080'] },
		{ key: 'mail-relay', ttl: 900, who: ['relay-1.internal'] },
	];
}

/**
 * What programs with etcd's own client hold: a key below the prefix, named by its
 * lease. A mutex has no value, a candidate has its name.
 */
export const ofClients: { prefix: string; values: string[] }[] = [
	{ prefix: '/locks/catalog-import', values: ['', '', ''] },
	{ prefix: '/locks/image-cleanup', values: [''] },
	{ prefix: '/elections/kafka-connect', values: ['connect-1:8083', 'connect-2:8083', 'connect-3:8083'] },
	{ prefix: '/elections/price-feed', values: ['feed-a', 'feed-b'] },
];
