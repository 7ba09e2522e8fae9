// The files of the page that are committed, and which of them a browser loads.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

export const read = (name: string): Buffer => readFileSync(join(dist, name));

export const files = (): string[] =>
	readdirSync(dist, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath, entry.name).slice(dist.length));

/**
 * What is loaded before the overview, where one begins, is whole: the page, all that it
 * asks for at once, the overview's own script, and the one with its charts. (A browser
 * test looks whether a browser agrees.)
 */
export function firstLoad(): Set<string> {
	const found = new Set<string>();
	add('index.html', found);
	for (const name of files()) {
		if (/\boverview[^/]*\.js$/.test(name) || (name.endsWith('.js') && read(name).includes('u-legend'))) add(name, found);
	}
	return found;
}

/** The file, and those that it asks for as soon as it is there. */
function add(name: string, found: Set<string>): void {
	if (found.has(name)) return;
	found.add(name);
	for (const pattern of asks[name.split('.').at(-1)!] ?? []) {
		for (const [, address] of read(name).toString().matchAll(pattern)) add(normalize(join(dirname(name), address!)), found);
	}
}

const asks: Record<string, RegExp[]> = {
	html: [/<(?:script|link|img)\b[^>]*?\s(?:src|href)="([^"]+)"/g],
	js: [/\bimport\s*["'](\.[^"']+)["']/g, /\b(?:import|export)\s*(?:[\w$]+\s*,?\s*)?(?:\{[^{}]*\}|\*(?:\s*as\s+[\w$]+)?)?\s*from\s*["'](\.[^"']+)["']/g],
	css: [/url\(["']?([^"')]+)/g],
};
