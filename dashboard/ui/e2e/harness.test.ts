// The harness itself: what it lets pass, and what not.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';
import { launch, visit } from './browser.ts';
import { eventually, expect, test, useWorld, type Gateway } from './test.ts';

const world = useWorld();
let gateway: Gateway;
let browser: Browser;
beforeAll(async () => {
	[gateway, browser] = await Promise.all([
		world.gateway({
			etcd: 'embedded',
			site: [
				'header /plain* Content-Type text/html',
				'respond /plain "<h1>no CSP</h1>"',
				`header /plain/csp Content-Security-Policy "default-src 'none'"`,
				'respond /plain/csp "<h1>CSP</h1><style>h1 { color: red }</style>"',
			],
		}),
		launch(),
	]);
});
afterAll(() => browser.close());

test('opens a page, and sees its requests', async ({ open }) => {
	const { page, seen } = await open(gateway.page());
	expect(await page.title()).toContain('etcd');
	expect(seen.requests[0]).toMatchObject({ url: gateway.page(), type: 'Document', status: 200 });
	await eventually(() => seen.requests[0]!.size > 100);
});

describe('what a page does wrong is noticed:', () => {
	const done: [what: string, path: string, script: string, complaint: RegExp][] = [
		['a violation of the CSP', '/plain/csp', 'undefined', /csp: style-src/],
		['an uncaught error', '/plain', 'setTimeout(() => { throw new Error("oops") }, 0)', /pageerror: .*oops/],
		['an error in the console', '/plain', 'console.error("bad")', /console: bad/],
		['a request to another origin', '/plain', 'fetch("http://localhost:12345/").catch(() => 0)', /origin: GET http:\/\/localhost:12345\//],
		['an alert', '/plain', 'alert("hello")', /dialog: alert hello/],
	];
	test.each(done)('%s', async (_what, path, script, complaint) => {
		const { page, seen, close } = await visit(browser, gateway.origin + path);
		await page.evaluate(`${script}; undefined`);
		await eventually(() => complaint.test(seen.complaints().join('\n')), { what: String(complaint) });
		await close();
	});
});

test.fails('and fails the test', async ({ open }) => {
	await open(`${gateway.origin}/plain/csp`);
});
