// What axe finds in a page.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const source = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** Throws if there is a serious or critical finding, and says where. */
export async function axe(page: Page): Promise<void> {
	// The page's CSP would refuse a script element, and is to stay as it is.
	if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(`${source}; undefined`);
	const { violations } = (await page.evaluate(() =>
		// Its preload would fetch style sheets again.
		(window as unknown as { axe: typeof import('axe-core') }).axe.run(document, { preload: false, resultTypes: ['violations'] }),
	)) as AxeResults;
	const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
	if (grave.length === 0) return;
	const findings = grave.map(({ id, impact, help, nodes }) => {
		const places = nodes.slice(0, 3).map(({ target, html, failureSummary = '' }) => {
			const why = failureSummary.split('\n').slice(1).join('; ').trim();
			return `    ${target.join(' ')}  ${html.slice(0, 160)}\n      ${why}`;
		});
		return `  ${impact} ${id}: ${help} (${nodes.length})\n${places.join('\n')}`;
	});
	throw new Error(`axe, at ${page.url()}:\n${findings.join('\n')}`);
}
