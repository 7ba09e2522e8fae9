// An etcd cluster of one member or more, each a process.

import { Etcd } from '../etcd.ts';
import { V2 } from '../v2.ts';
import { eventually } from './eventually.ts';
import { freePort } from './port.ts';
import { Program } from './process.ts';
import { programs, type EtcdVersion } from './programs.ts';
import { tempDir } from './temp.ts';

export interface ClusterOptions {
	/** How many members, 1 if nothing is said. */
	members?: number;
	/** Their names: member0, member1, ... if nothing is said. */
	names?: string[];
	/** 3.5 also serves the v2 API. */
	version?: EtcdVersion;
	/** More flags for each member, such as --quota-backend-bytes=20000000. They count more than the usual ones. */
	flags?: string[];
}

export class Member {
	readonly name: string;
	/** Where clients reach it: http://127.0.0.1:port. */
	readonly endpoint: string;
	readonly program: Program;

	constructor(name: string, endpoint: string, program: Program) {
		this.name = name;
		this.endpoint = endpoint;
		this.program = program;
	}

	/** It serves, and its cluster has a leader. */
	async ready(within = 30_000): Promise<void> {
		await eventually(
			async () => {
				if (!this.program.runs) return true;
				const response = await fetch(`${this.endpoint}/health`, { signal: AbortSignal.timeout(2_000) });
				if (!response.ok) throw new Error(`/health says ${response.status}`);
				return true;
			},
			{ within, what: `${this.program.command.name} serves` },
		);
		this.program.mustRun();
	}

	/** Starts it anew, on the same data and ports, and waits until it serves. */
	async restart(): Promise<void> {
		this.program.start();
		await this.ready();
	}

	stop(): Promise<void> {
		return this.program.terminate();
	}

	kill(): Promise<void> {
		return this.program.kill();
	}

	hang(): void {
		this.program.hang();
	}

	resume(): void {
		this.program.resume();
	}
}

export class Cluster {
	readonly version: EtcdVersion;
	readonly members: Member[];

	constructor(version: EtcdVersion, members: Member[]) {
		this.version = version;
		this.members = members;
	}

	get endpoints(): string[] {
		return this.members.map((member) => member.endpoint);
	}

	/** Talks with one member directly, past every gateway. */
	etcd(member = 0): Etcd {
		return new Etcd(this.#member(member).endpoint);
	}

	v2(member = 0): V2 {
		return new V2(this.#member(member).endpoint);
	}

	/** The member that leads; one that runs has to be asked. */
	async leader(): Promise<Member> {
		return eventually(async () => {
			for (const [i, member] of this.members.entries()) {
				if (!member.program.runs) continue;
				const status = await this.etcd(i).status().catch(() => undefined);
				if (!status?.leader || status.leader === '0') continue;
				const list = await this.etcd(i).members();
				const name = list.find((other) => other.ID === status.leader)?.name;
				return this.members.find((other) => other.name === name);
			}
			return undefined;
		});
	}

	async follower(): Promise<Member> {
		const leader = await this.leader();
		const other = this.members.find((member) => member !== leader);
		if (!other) throw new Error('the cluster has one member');
		return other;
	}

	/** Has v3 ask for passwords; root has this one. */
	async enableAuth(password: string): Promise<void> {
		const etcd = this.etcd();
		await etcd.call('/v3/auth/user/add', { name: 'root', password });
		await etcd.call('/v3/auth/role/add', { name: 'root' });
		await etcd.call('/v3/auth/user/grant', { user: 'root', role: 'root' });
		await etcd.call('/v3/auth/enable', {});
	}

	/** Has v2 ask for passwords; root has this one, and who has none may do nothing. */
	async enableV2Auth(password: string): Promise<void> {
		const steps: [path: string, body: unknown][] = [
			['/v2/auth/users/root', { user: 'root', password }],
			['/v2/auth/enable', undefined],
			// Who has no password is a guest, and a guest may do everything.
			['/v2/auth/roles/guest', { role: 'guest', revoke: { kv: { read: ['/*'], write: ['/*'] } } }],
		];
		for (const [path, body] of steps) {
			const response = await fetch(this.#member(0).endpoint + path, {
				method: 'PUT',
				headers: { 'Content-Type': 'application/json', Authorization: `Basic ${btoa(`root:${password}`)}` },
				body: body === undefined ? '' : JSON.stringify(body),
			});
			if (!response.ok) throw new Error(`PUT ${path}: ${response.status} ${await response.text()}`);
		}
	}

	#member(index: number): Member {
		const member = this.members[index];
		if (!member) throw new Error(`there is no member ${index}`);
		return member;
	}
}

/** A cluster that does not run yet. */
export async function newCluster(options: ClusterOptions = {}): Promise<Cluster> {
	const { members: count = options.names?.length ?? 1, version = '3.7', flags = [] } = options;
	const names = options.names ?? Array.from({ length: count }, (_, i) => `member${i}`);
	const address = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;
	const peers = await Promise.all(names.map(address));
	const endpoints = await Promise.all(names.map(address));
	const initial = names.map((name, i) => `${name}=${peers[i]}`).join(',');
	const token = peers.join(); // no other cluster has it
	const members = names.map((name, i) => {
		const dir = tempDir(name);
		const program = new Program({
			name: `etcd ${version} ${name}`,
			program: programs.etcd[version],
			dir,
			args: [
				...['--name', name, '--data-dir', 'data', '--logger=zap', '--log-level=warn', '--unsafe-no-fsync'],
				...['--listen-client-urls', endpoints[i]!, '--advertise-client-urls', endpoints[i]!],
				...['--listen-peer-urls', peers[i]!, '--initial-advertise-peer-urls', peers[i]!],
				...['--initial-cluster', initial, '--initial-cluster-token', token],
				...(version === '3.5' ? ['--enable-v2=true'] : []),
				...flags,
			],
		});
		return new Member(name, endpoints[i]!, program);
	});
	return new Cluster(version, members);
}
