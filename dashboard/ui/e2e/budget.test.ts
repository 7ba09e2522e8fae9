// How much a browser loads, in the files that are committed.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const read = (name: string): Buffer => readFileSync(join(dist, name));
const all = readdirSync(dist, { recursive: true, withFileTypes: true })
	.filter((entry) => entry.isFile())
	.map((entry) => normalize(join(entry.parentPath, entry.name)).slice(dist.length));

/** The files that one asks for as soon as it is there, and what those ask for. */
function withAll(name: string, found = new Set<string>()): Set<string> {
	if (found.has(name)) return found;
	found.add(name);
	const text = /\.(html|js|css)$/.test(name) ? read(name).toString() : '';
	const patterns = name.endsWith('.html')
		? [/<(?:script|link|img)\b[^>]*?\s(?:src|href)="([^"]+)"/g]
		: name.endsWith('.js')
			? [/(?:^|[;}\s])(?:import|export)\s*(?:[\w*{}\s,$]+from\s*)?["'](\.[^"']+)["']/g]
			: [/url\(["']?([^"')]+)/g];
	for (const pattern of patterns) {
		for (const [, address] of text.matchAll(pattern)) withAll(normalize(join(dirname(name), address!)), found);
	}
	return found;
}

const sum = (names: Iterable<string>, size: (name: string) => number): number => [...names].reduce((total, name) => total + size(name), 0);
const zipped = (name: string): number => gzipSync(read(name)).length;

// Whichever page one begins with. The overview loads its charts at once; the editor is for
// those who open a value.
test.each([['overview', 'charts'], ['keys'], ['locks'], ['elections'], ['leases']])('the first load of the page %s is at most 70 kB, gzipped', (...chunks) => {
	const first = withAll('index.html');
	for (const name of chunks) withAll(`assets/${name}.js`, first);
	const sizes = [...first].map((name) => `${name} ${zipped(name)}`).join(', ');
	expect(first.size).toBeGreaterThan(2 + chunks.length);
	expect(sum(first, zipped), sizes).toBeLessThanOrEqual(70_000);
});

test('all of it is at most 700 kB', () => {
	const size = (name: string): number => read(name).length;
	expect(sum(all, size), all.map((name) => `${name} ${size(name)}`).join(', ')).toBeLessThanOrEqual(700_000);
});
