// What every browser test begins with. Ten lines make one:
//
//	import { beforeAll } from 'vitest';
//	import { shows, test, useWorld, type Gateway } from './test.ts';
//
//	const world = useWorld(); // shared by the file; all of it ends with the file
//	let gateway: Gateway;
//	beforeAll(async () => {
//		const cluster = await world.cluster({ members: 3 });
//		gateway = await world.gateway({ etcd: cluster });
//		await cluster.etcd().put('/greeting', 'hello');
//	});
//
//	test('a key is shown', async ({ open }) => {
//		const { page } = await open(gateway.page('keys'), { scheme: 'dark' });
//		await shows(page, 'greeting');
//	});
//
// A test fails by itself if there was a CSP violation, an uncaught error, an error in the
// console, an alert, or a request to another origin, unless it says
// { tolerate: ['console'] }. Then it prints what the processes said, and leaves a
// picture in shots/.

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, test as plain } from 'vitest';
import { launch, visit, type Visit, type VisitOptions } from './browser.ts';
import { shot } from './shot.ts';
import { World } from './world/world.ts';

export { expect } from 'vitest';
export { axe } from './axe.ts';
export { schemes, widths, type Scheme, type Visit, type Width } from './browser.ts';
export { intercept } from './intercept.ts';
export { focused, hasFocus, press, retype, tabTo } from './keyboard.ts';
export { shot } from './shot.ts';
export { shows } from './shows.ts';
export { eventually, sleep } from './world/eventually.ts';
export type { Cluster, Member } from './world/cluster.ts';
export type { Gateway } from './world/gateway.ts';

// A worker that has lost vitest ends, and takes along what it has started.
process.once('disconnect', () => process.exit(1));

/** The processes of this file. */
export function useWorld(): World {
	const world = new World();
	afterEach(({ task }) => {
		if (task.result?.state === 'fail') console.error(world.logs());
	});
	afterAll(() => world.end(), 60_000);
	return world;
}

let browser: Promise<Browser> | undefined;

interface Fixtures {
	/** Opens an address in a context of its own, which is closed and judged when the test ends. */
	open: (url: string, options?: VisitOptions) => Promise<Visit>;
}

export const test = plain.extend<Fixtures>({
	open: async ({ task }, use) => {
		const visits: Visit[] = [];
		await use(async (url, options) => {
			browser ??= launch();
			const opened = await visit(await browser, url, options);
			visits.push(opened);
			return opened;
		});
		const complaints = visits.flatMap(({ seen, tolerate }) => seen.complaints(tolerate));
		const failed = task.result?.state === 'fail' || (task.result?.errors?.length ?? 0) > 0 || complaints.length > 0;
		for (const [i, opened] of visits.entries()) {
			if (failed && !task.fails) await shot(opened, `failed-${task.name}-${i}`).catch(() => undefined);
			await opened.close();
		}
		if (complaints.length > 0) throw new Error(`in the page:\n${complaints.join('\n')}`);
	},
});

afterAll(async () => {
	await (await browser)?.close();
});
