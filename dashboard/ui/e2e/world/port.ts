// Ports on loopback.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const given = new Set<number>();

/**
 * A port that nobody has, and that stays free while its server is stopped: it is below
 * those that the system gives to whoever asks for any, for a listener or a connection.
 * Another run of this that happens on the same one at the same moment is noticed by the
 * server that cannot bind it.
 */
export async function freePort(): Promise<number> {
	const below = firstOfTheSystems();
	for (;;) {
		const port = below > 20_000 ? 12_000 + Math.floor(Math.random() * (below - 12_000)) : 0;
		const found = await tryPort(port);
		if (found !== undefined && !given.has(found)) {
			given.add(found);
			return found;
		}
	}
}

function firstOfTheSystems(): number {
	try {
		return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
	} catch {
		return 0; // not Linux
	}
}

/** The port if it is free; with 0, one that the system chooses. */
function tryPort(port: number): Promise<number | undefined> {
	return new Promise((resolve) => {
		const server = createServer();
		server.once('error', () => resolve(undefined));
		server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
			const address = server.address();
			server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
		});
	});
}
