// A program that a test runs.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Command {
	/** What it is called in errors. */
	name: string;
	program: string;
	args: string[];
	/** Its working directory; its log is there too. */
	dir: string;
	env?: Record<string, string>;
}

// The kernel kills the children of a test process that is killed itself. (That goes by
// the thread that started them, so vitest has to run files in processes, not threads.)
const withTest: string[] =
	spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0 ? ['setpriv', '--pdeathsig', 'KILL'] : [];

const running = new Set<Program>();

// Where there is no setpriv, at least an end that is not a kill takes them along.
process.once('exit', () => {
	for (const program of running) program.killNow();
});

export class Program {
	readonly command: Command;
	readonly log: string;
	#child: ChildProcess | undefined;
	#ended: Promise<void> = Promise.resolve();

	constructor(command: Command) {
		this.command = command;
		this.log = join(command.dir, 'log');
	}

	get runs(): boolean {
		return this.#child !== undefined;
	}

	get pid(): number | undefined {
		return this.#child?.pid;
	}

	start(): void {
		if (this.#child) throw new Error(`${this.command.name} runs already`);
		const { program, args, dir, env } = this.command;
		const [first, ...rest] = [...withTest, program, ...args];
		const log = openSync(this.log, 'a');
		const child = spawn(first!, rest, { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', log, log] });
		closeSync(log);
		this.#child = child;
		running.add(this);
		this.#ended = new Promise((resolve) => {
			const end = (): void => {
				this.#child = undefined;
				running.delete(this);
				resolve();
			};
			child.once('exit', end);
			child.once('error', (error) => {
				appendFileSync(this.log, `${error.message}\n`);
				end();
			});
		});
	}

	/** Ends it as an operator would (SIGTERM), and waits until it has ended. */
	async terminate(): Promise<void> {
		this.resume();
		this.#child?.kill('SIGTERM');
		const patience = setTimeout(() => this.killNow(), 15_000);
		await this.#ended;
		clearTimeout(patience);
	}

	/** Ends it as a crash would, and waits until it has ended. */
	async kill(): Promise<void> {
		this.killNow();
		await this.#ended;
	}

	killNow(): void {
		this.#child?.kill('SIGKILL');
	}

	/** Has it do nothing, while the system still takes connections and bytes for it. */
	hang(): void {
		this.#child?.kill('SIGSTOP');
	}

	resume(): void {
		this.#child?.kill('SIGCONT');
	}

	/** The end of what it has said. */
	said(length = 4000): string {
		try {
			return readFileSync(this.log, 'utf8').slice(-length);
		} catch {
			return '';
		}
	}

	/** Throws what it said if it has ended by itself. */
	mustRun(): void {
		if (!this.runs) throw new EndedEarly(`${this.command.name} has ended:\n${this.said()}`);
	}
}

/** It has ended without being asked to, perhaps since somebody has its port. */
export class EndedEarly extends Error {}
