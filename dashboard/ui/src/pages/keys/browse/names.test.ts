import { expect, test } from 'vitest';
import { type Bytes, fromHex, fromText } from '../../../api/bytes.ts';
import { crumbs, folderOf, meant } from './names.ts';

const b = fromText;

test.each([
	['foo', ''],
	['foo/', ''],
	['foo/x', 'foo/'],
	['/', ''],
	['/a', '/'],
	['/a/', '/'],
	['/a//', '/a/'],
	['/a//b', '/a//'],
	['//', '/'],
	['', ''],
])('the folder around %o is %o', (key, folder) => {
	expect(folderOf(b(key))).toBe(folder);
});

test('each folder on the way is a crumb, empty names too', () => {
	expect(crumbs(b('/a//b/'))).toEqual([
		{ prefix: '/', name: '/' },
		{ prefix: '/a/', name: 'a/' },
		{ prefix: '/a//', name: '/' },
		{ prefix: '/a//b/', name: 'b/' },
	]);
	expect(crumbs(b(''))).toEqual([]);
	expect(crumbs(b('ab'))).toEqual([{ prefix: 'ab', name: 'ab' }]);
});

test('what is typed may be hexadecimal, a whole key, or one in this folder', () => {
	expect(meant('x', b('/a/'))).toEqual(['x', '/a/x']);
	expect(meant('0xff00', '' as Bytes)).toEqual([fromHex('ff00'), '0xff00']);
	expect(meant('0xf', '' as Bytes)).toEqual(['0xf']);
});
