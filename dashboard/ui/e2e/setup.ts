// Before the first test: is everything there that they run?

import { accessSync, constants } from 'node:fs';
import { programs } from './world/programs.ts';

export default function setup(): void {
	const needed = [programs.chromium, programs.caddy, ...Object.values(programs.etcd)];
	const missing = needed.filter((program) => {
		try {
			accessSync(program, constants.X_OK);
			return false;
		} catch {
			return true;
		}
	});
	if (missing.length === 0) return;
	throw new Error(`The browser tests need ${missing.join(' and ')}. In the checkout's folder, \`make test-tools\` makes or installs them; CHROMIUM and CADDY may name others.`);
}
