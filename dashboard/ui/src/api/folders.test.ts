import { expect, test } from 'vitest';
import { fromText as b } from './bytes.ts';
import { subfolder } from './folders.ts';

test.each([
	['', 'foo', undefined],
	['', 'foo/x', 'foo/'],
	['', '/a//b', '/'],
	['/', '/a//b', '/a/'],
	['/a/', '/a//b', '/a//'],
	['/a//', '/a//b', undefined],
	['foo/', 'foo/', undefined],
	['fo', 'foo/x', 'foo/'],
])('from %o, %o is in %o', (prefix, key, folder) => {
	expect(subfolder(b(prefix), b(key))).toBe(folder);
});
