// How much a browser loads, of the files that are committed.

import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { files, firstLoad, read } from './dist.ts';

const sum = (sizes: Record<string, number>): number => Object.values(sizes).reduce((total, size) => total + size, 0);
const sizes = (names: Iterable<string>, size: (name: string) => number): Record<string, number> =>
	Object.fromEntries([...names].map((name) => [name, size(name)]));

test('the first load is at most 70 kB, gzipped', () => {
	const zipped = sizes(firstLoad(), (name) => gzipSync(read(name)).length);
	console.log('first load, gzipped:', sum(zipped), zipped);
	expect(Object.keys(zipped)).toEqual(expect.arrayContaining(['index.html', 'assets/index.js', 'assets/style.css']));
	expect(sum(zipped)).toBeLessThanOrEqual(70_000);
});

test('the licences of what is built in are there', () => {
	const text = read('licenses.txt').toString();
	const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { dependencies: Record<string, string> };
	for (const [name, version] of Object.entries(dependencies)) expect(text).toContain(`\n${name} ${version} (MIT)\nCopyright (`);
	expect(text.match(/THE SOFTWARE IS PROVIDED "AS IS"/g)).toHaveLength(1);
});

test('all of it is at most 700 kB', () => {
	const raw = sizes(files(), (name) => read(name).length);
	console.log('all:', sum(raw), raw);
	expect(sum(raw)).toBeLessThanOrEqual(700_000);
});
