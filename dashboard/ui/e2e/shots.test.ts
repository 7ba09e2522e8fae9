// Pictures of every page with a company's data in it, in shots/, to be looked at; and
// axe's opinion of each.

import { beforeAll } from 'vitest';
import { changed } from './company.ts';
import { seed, seedQueues, seedV2 } from './seed.ts';
import { axe, expect, schemes, shot, shows, sleep, test, useWorld, widths, type Gateway, type Visit } from './test.ts';
import { traffic } from './traffic.ts';

const world = useWorld();
let v3: Gateway;
let v2: Gateway;
beforeAll(async () => {
	const [new37, old35] = await Promise.all([world.cluster({ members: 3, flags: ['--unsafe-no-fsync=false'] }), world.cluster({ version: '3.5' })]);
	[v3, v2] = await Promise.all([world.gateway({ etcd: new37 }), world.gateway({ etcd: old35, api: 'v2' })]);
	const etcd = new37.etcd();
	for (const { mod } of [v3, v2]) world.onEnd(() => mod.abortAll());
	const [seeded] = await Promise.all([seed(etcd, v3.mod), seedV2(old35.v2()), seedQueues(v2.mod)]);
	// So that charts have something to show.
	world.onEnd(traffic({ etcd, mod: v3.mod, seeded, write: (key, value) => etcd.put(key, value) }));
});

interface Picture {
	name: string;
	path: string;
	api?: 'v2';
	/** What is to be read before the picture is taken. */
	text: string | RegExp;
	/** What else has to be there. */
	part?: string;
}

const key = (name: string): string => `keys/?key=${encodeURIComponent(name).replaceAll('%2F', '/')}`;

const pictures: Picture[] = [
	{ name: 'keys', path: 'keys/', text: 'motd' },
	{ name: 'keys-folder', path: 'keys/?prefix=/stock/berlin/matcha/', text: /MAT-/, part: '.keys-value .bytes' },
	{ name: 'key-json', path: key(changed.key), text: 'perSecond', part: '.cm-content' },
	{ name: 'key-yaml', path: key('/config/production/orders/deployment.yaml'), text: 'replicas', part: '.cm-content' },
	{ name: 'key-bytes', path: key('/secrets/session-key'), text: 'session-key' },
	{ name: 'locks', path: 'locks/', text: 'payments/settlement' },
	{ name: 'lock', path: 'locks/?name=payments/settlement', text: 'payments/settlement' },
	{ name: 'elections', path: 'elections/', text: 'order-processing' },
	{ name: 'election', path: 'elections/?name=order-processing', text: 'order-processing' },
	{ name: 'leases', path: 'leases/', text: /of \d+m/ }, // an ID is random, and so is what is on the screen
	{ name: 'locks-of-clients', path: 'locks/?by=clients', text: 'catalog-import' },
	{ name: 'v2-keys', path: 'keys/', api: 'v2', text: /config/ },
	{ name: 'v2-key', path: key(changed.key.replace('limits', 'database')), api: 'v2', text: 'database' },
	{ name: 'v2-locks', path: 'locks/', api: 'v2', text: 'payments/settlement' },
	{ name: 'v2-overview', path: '', api: 'v2', text: 'member0' },
];

/** How long the overview's charts are about, at least. The README's pictures show more. */
const charted = Number(process.env['CHARTED'] ?? 12_000);

test.for(widths)('%s', { timeout: 180_000 + charted }, async (width, { open }) => {
	const kind = { width, reducedMotion: true };
	const overview = await open(v3.page(), kind); // its charts fill while the others are looked at
	const full = sleep(charted);
	const sites = { v3: { gateway: v3, visit: await open(v3.page('keys/'), kind) }, v2: { gateway: v2, visit: await open(v2.page(), kind) } };
	const findings: string[] = [];
	const take = async (name: string, visit: Visit, look: () => Promise<void>): Promise<void> => {
		for (const scheme of schemes) {
			const lit = { ...visit, scheme };
			try {
				await visit.page.emulateMedia({ colorScheme: scheme });
				await look();
				await shot(lit, name);
				// It takes longer than all the rest. The pages' own tests have it look at the narrow ones.
				if (width === 'wide') await axe(visit.page);
			} catch (error) {
				findings.push(`${name}, ${scheme}: ${(error as Error).message}`);
				await shot(lit, `failed-${name}`);
			}
		}
	};
	for (const { name, path, api, text, part } of pictures) {
		const { gateway, visit } = sites[api ?? 'v3'];
		await visit.page.goto(gateway.page(path));
		await take(name, visit, async () => {
			await shows(visit.page, text);
			if (part) await visit.page.locator(part).first().waitFor();
		});
	}
	await full;
	await take('overview', overview, () => shows(overview.page, 'member2'));
	expect(findings.join('\n')).toBe('');
});
