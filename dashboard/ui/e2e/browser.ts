// Debian's Chromium, and pages in it that are watched.

import { chromium, type Browser, type Page } from 'playwright-core';
import { Seen, watchContext, watchRequests, type Problem } from './seen.ts';
import { programs } from './world/programs.ts';

export type Scheme = 'light' | 'dark';
export type Width = 'wide' | 'narrow';

export const schemes: Scheme[] = ['light', 'dark'];
export const widths: Width[] = ['wide', 'narrow'];

export interface VisitOptions {
	scheme?: Scheme;
	width?: Width;
	/** The system asks for little motion. Pictures are taken so. */
	reducedMotion?: boolean;
	/** For a gateway that asks for a password. */
	credentials?: { username: string; password: string };
	/** What does not fail this test, since it brings it about itself. */
	tolerate?: Problem[];
	/** Don't wait until there is something in the page. */
	early?: boolean;
}

/** A page, what happened in it, and how it is looked at. */
export interface Visit {
	page: Page;
	seen: Seen;
	scheme: Scheme;
	width: Width;
	tolerate: Problem[];
	close: () => Promise<void>;
}

// Without the network flags it looks for its maker's hosts all the time.
const flags = [
	...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
	...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

const sizes = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };

/** It ends when this process does, however that ends: it listens on a pipe from it. */
export function launch(): Promise<Browser> {
	return chromium.launch({ executablePath: programs.chromium, headless: true, args: flags });
}

/** Opens an address in a context of its own, and waits until the page shows something. */
export async function visit(browser: Browser, url: string, options: VisitOptions = {}): Promise<Visit> {
	const { scheme = 'light', width = 'wide', reducedMotion = false, credentials, tolerate = [], early = false } = options;
	const seen = new Seen();
	const { origin } = new URL(url);
	const context = await browser.newContext({
		viewport: sizes[width],
		colorScheme: scheme,
		reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
		locale: 'en-GB',
		timezoneId: 'UTC',
		...(width === 'narrow' ? { hasTouch: true, deviceScaleFactor: 2 } : {}),
		...(credentials ? { httpCredentials: { ...credentials, origin } } : {}),
	});
	context.setDefaultTimeout(15_000);
	await watchContext(context, seen, origin);
	const page = await context.newPage();
	await watchRequests(page, seen);
	const opened: Visit = { page, seen, scheme, width, tolerate, close: () => context.close() };
	await page.goto(url, { waitUntil: early ? 'commit' : 'load' });
	if (!early) await page.locator('h1').first().waitFor();
	return opened;
}
