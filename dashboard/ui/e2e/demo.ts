// npm run demo: a cluster, a gateway, a company's data and its live traffic, on a port
// that is the same each time, until Ctrl-C. For looking at the dashboard while it is
// made.

import { parseArgs } from 'node:util';
import { seed, seedQueues, seedV2 } from './seed.ts';
import { traffic } from './traffic.ts';
import { World } from './world/world.ts';

const usage = `npm run demo -- [OPTIONS]

  --port N       where the gateway listens (4555)
  --members N    etcd's members (3)
  --api v2       etcd 3.5, and the gateway keeps locks with the v2 API
  --read-only    the dashboard may not write
  --prefix /P    everything below a path
  --empty        no data and no traffic
  --still        data, but no traffic
  --fill N       so many keys more, below /many/

The page is the one that is built into the gateway: ${'`./xcaddy.sh --output .tools/caddy`'} after
${'`npm run build`'}, or CADDY=... names another one. For the page as it is in src, beside this:

  GATEWAY=http://127.0.0.1:4555 npm run dev
`;

export async function main(args: string[]): Promise<void> {
	const { values } = parseArgs({
		args,
		options: {
			port: { type: 'string', default: '4555' },
			members: { type: 'string', default: '3' },
			api: { type: 'string', default: 'v3' },
			prefix: { type: 'string' },
			fill: { type: 'string' },
			'read-only': { type: 'boolean', default: false },
			empty: { type: 'boolean', default: false },
			still: { type: 'boolean', default: false },
			help: { type: 'boolean', short: 'h' },
		},
	});
	if (values.help) {
		console.log(usage);
		return;
	}
	const v2 = values.api === 'v2';
	const world = new World();
	const cluster = await world.cluster({ members: Number(values.members), version: v2 ? '3.5' : '3.7' });
	const gateway = await world.gateway({
		etcd: cluster,
		port: Number(values.port),
		api: v2 ? 'v2' : 'v3',
		readOnly: values['read-only'],
		...(values.prefix ? { prefix: values.prefix } : {}),
	});
	const mod = gateway.mod;
	world.onEnd(() => mod.abortAll());

	const etcd = cluster.etcd();
	if (values.fill) await etcd.fill(Number(values.fill), '/many/');
	if (!values.empty) {
		const seeded = v2 ? undefined : await seed(etcd, mod);
		if (v2) await Promise.all([seedV2(cluster.v2()), seedQueues(mod)]);
		if (!values.still) {
			const stop = traffic({
				mod,
				write: (key, value) => (v2 ? cluster.v2().put(key, value) : etcd.put(key, value)),
				...(seeded ? { etcd, seeded } : {}),
			});
			world.onEnd(stop);
		}
	}

	console.log(`The dashboard:  ${gateway.page()}`);
	for (const { name, endpoint, program } of cluster.members) {
		console.log(`${name}:        ${endpoint}  (pid ${program.pid}: kill, kill -STOP, kill -CONT)`);
	}
	console.log(`The page in src: GATEWAY=${gateway.origin} npm run dev`);
	console.log('Ctrl-C ends it all.');
	await new Promise<void>((resolve) => {
		process.once('SIGINT', resolve);
		process.once('SIGTERM', resolve);
	});
	await world.end();
	process.exit();
}
