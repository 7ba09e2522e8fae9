// Pictures of pages, kept to look at in dashboard/ui/shots.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Visit } from './browser.ts';

const folder = fileURLToPath(new URL('../shots/', import.meta.url));

/** Makes shots/NAME-SCHEME-WIDTH.png, and returns its path. */
export async function shot({ page, scheme, width }: Visit, name: string): Promise<string> {
	mkdirSync(folder, { recursive: true });
	const path = join(folder, `${name.replaceAll(/[^\w.-]+/g, '_')}-${scheme}-${width}.png`);
	// To hide the caret or stop what moves, playwright would put a style element into the
	// page, which its CSP refuses.
	await page.screenshot({ path, caret: 'initial', animations: 'allow' });
	return path;
}
