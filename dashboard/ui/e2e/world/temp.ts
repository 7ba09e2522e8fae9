// Where processes keep their data: a folder for each run, below the system's.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'caddy-etcd-ui-';
let own: string | undefined;

/** A new folder, gone when this process ends. */
export function tempDir(name: string): string {
	if (!own) {
		forgetTheDead();
		own = join(tmpdir(), `${prefix}${process.pid}`);
		rmSync(own, { recursive: true, force: true });
		mkdirSync(own);
		process.once('exit', forgetOwn);
	}
	return mkdtempSync(join(own, `${name.replaceAll(/[^\w.-]/g, '_')}-`));
}

function forgetOwn(): void {
	if (own) rmSync(own, { recursive: true, force: true });
}

// A run that was killed has left its folder.
function forgetTheDead(): void {
	for (const name of readdirSync(tmpdir())) {
		const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : NaN;
		if (Number.isNaN(pid) || lives(pid)) continue;
		try {
			rmSync(join(tmpdir(), name), { recursive: true, force: true });
		} catch {
			// It is somebody else's.
		}
	}
}

function lives(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === 'EPERM';
	}
}
