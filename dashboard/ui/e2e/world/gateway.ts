// A gateway: caddy with this checkout's modules, on a Caddyfile of its own.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mod } from '../mod.ts';
import type { Cluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { freePort } from './port.ts';
import { Program } from './process.ts';
import { programs } from './programs.ts';
import { tempDir } from './temp.ts';

export interface GatewayOptions {
	/** What it stands before, or an etcd of its own. */
	etcd: Cluster | 'embedded';
	/** The API that it keeps locks with. */
	api?: 'v3' | 'v2';
	/** No write from the dashboard's origin. */
	readOnly?: boolean;
	/** A path below which everything is, and that is taken away: /etcd. */
	prefix?: string;
	/** More lines for the etcd option, such as username. */
	option?: string[];
	/** More lines for the site, before the etcd directive; basic_auth has its place by itself. */
	site?: string[];
	/** A whole Caddyfile in place of all of these; it gets this site's address and what etcd there is. */
	caddyfile?: (parts: { admin: string; site: string; etcd: string }) => string;
	/** The site's port. */
	port?: number;
}

export class Gateway {
	/** http://127.0.0.1:port, without the prefix. */
	readonly origin: string;
	readonly program: Program;
	readonly #admin: string;
	#options: GatewayOptions;

	constructor(options: GatewayOptions, port: number, adminPort: number) {
		this.origin = `http://127.0.0.1:${port}`;
		this.#admin = `127.0.0.1:${adminPort}`;
		this.#options = options;
		const dir = tempDir('gateway');
		this.program = new Program({
			name: `gateway ${this.origin}`,
			program: programs.caddy,
			args: ['run', '--config', 'Caddyfile'],
			dir,
			env: { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
		});
		this.#write();
	}

	/** Where etcd and /mod are: the origin and the prefix. */
	get url(): string {
		return this.origin + (this.#options.prefix ?? '');
	}

	/** The dashboard's address, and below it a page's: `gateway.page('locks')`. */
	page(path = ''): string {
		return `${this.url}/mod/dashboard/${path}`;
	}

	/** Locks and elections, as other programs use them. */
	get mod(): Mod {
		return new Mod(this.url);
	}

	async ready(): Promise<void> {
		await eventually(
			async () => {
				if (!this.program.runs) return true;
				const response = await fetch(`${this.url}/mod/v2/lock/ready`, { signal: AbortSignal.timeout(5_000) });
				// With a password before it, it answers too.
				if (!response.ok && response.status !== 401) throw new Error(`GET says ${response.status}`);
				return true;
			},
			{ within: 30_000, what: `${this.program.command.name} serves` },
		);
		this.program.mustRun();
	}

	async restart(): Promise<void> {
		if (this.program.runs) await this.program.terminate();
		this.program.start();
		await this.ready();
	}

	/** Loads its Caddyfile anew, with other options if there are some. */
	reload(options: Partial<GatewayOptions> = {}): void {
		this.#options = { ...this.#options, ...options };
		this.#write();
		const { program, dir, env } = this.program.command;
		const args = ['reload', '--config', 'Caddyfile', '--address', this.#admin, '--force'];
		const { status, stderr } = spawnSync(program, args, { cwd: dir, env: { ...process.env, ...env }, encoding: 'utf8' });
		if (status !== 0) throw new Error(`caddy reload: ${stderr}`);
	}

	stop(): Promise<void> {
		return this.program.terminate();
	}

	kill(): Promise<void> {
		return this.program.kill();
	}

	#write(): void {
		writeFileSync(join(this.program.command.dir, 'Caddyfile'), this.#caddyfile());
	}

	#caddyfile(): string {
		const { etcd, api = 'v3', readOnly = false, prefix, option = [], site = [], caddyfile } = this.#options;
		const where = etcd === 'embedded' ? 'embedded ./etcd-data' : `endpoints ${etcd.endpoints.join(' ')}`;
		if (caddyfile) return caddyfile({ admin: this.#admin, site: this.origin, etcd: where });
		const directive = readOnly ? 'etcd {\n\t\tdashboard {\n\t\t\tread_only\n\t\t}\n\t}' : 'etcd';
		return `{
	admin ${this.#admin}
	default_bind 127.0.0.1
	etcd {
		${[where, ...(api === 'v2' ? ['api v2'] : []), ...option].join('\n\t\t')}
	}
	servers {
		protocols h1 h2c
	}
}

${this.origin} {
	${[...site, prefix ? `handle_path ${prefix}/* {\n\t${directive}\n\t}` : directive].join('\n\t')}
}
`;
	}
}

/** A gateway that does not run yet. */
export async function newGateway(options: GatewayOptions): Promise<Gateway> {
	return new Gateway(options, options.port ?? (await freePort()), await freePort());
}
