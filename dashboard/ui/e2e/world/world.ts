// Everything that runs for one test file: clusters, gateways, and who uses them.

import { Cluster, newCluster, type ClusterOptions } from './cluster.ts';
import { Gateway, newGateway, type GatewayOptions } from './gateway.ts';
import { EndedEarly, type Program } from './process.ts';

export class World {
	readonly #programs: Program[] = [];
	readonly #closers: (() => unknown)[] = [];

	/** Starts a cluster and waits until every member serves. */
	cluster(options: ClusterOptions = {}): Promise<Cluster> {
		return this.#started(async () => {
			const cluster = await newCluster(options);
			return [cluster, cluster.members.map((member) => member.program), () => Promise.all(cluster.members.map((member) => member.ready()))];
		});
	}

	/** Starts a gateway and waits until it serves. */
	gateway(options: GatewayOptions): Promise<Gateway> {
		return this.#started(async () => {
			const gateway = await newGateway(options);
			return [gateway, [gateway.program], () => gateway.ready()];
		});
	}

	/** Has something done when the world ends, before the processes do. */
	onEnd(close: () => unknown): void {
		this.#closers.push(close);
	}

	/** The end of what each process has said. */
	logs(): string {
		return this.#programs.map((program) => `--- ${program.command.name}\n${program.said()}`).join('\n');
	}

	async end(): Promise<void> {
		for (const close of this.#closers.splice(0).reverse()) await close();
		// Nothing that is in there is needed any more.
		await Promise.all(this.#programs.splice(0).map((program) => program.kill()));
	}

	// A port may be taken between the look and the use: then everything is made anew.
	async #started<T>(make: () => Promise<[made: T, programs: Program[], ready: () => Promise<unknown>]>): Promise<T> {
		for (let tries = 1; ; tries++) {
			const [made, programs, ready] = await make();
			this.#programs.push(...programs);
			for (const program of programs) program.start();
			try {
				await ready();
				return made;
			} catch (error) {
				await Promise.all(programs.map((program) => program.kill()));
				const taken = programs.some((program) => program.said().includes('address already in use'));
				if (tries === 3 || !(error instanceof EndedEarly) || !taken) throw error;
			}
		}
	}
}
