import { expect, test } from 'vitest';
import { fromArray, fromText } from './bytes.ts';
import { address, node, normal, parent } from './v2.ts';

test('a key is an address, whatever is in it', () => {
	expect(address(fromText('/'))).toBe('v2/keys/');
	expect(address(fromText('/a b/ü?#%/_x/'))).toBe('v2/keys/a%20b/%c3%bc%3f%23%25/_x');
	expect(address(fromArray(new Uint8Array([0x2f, 0xff])))).toBe('v2/keys/%ff');
	expect(() => address(fromText('/a/../b'))).toThrow();
});

test('keys are spelled as etcd does', () => {
	expect(normal(fromText('a//b/'))).toBe('/a/b');
	expect(normal(fromText(''))).toBe('/');
	expect(parent(fromText('/a/b'))).toBe('/a');
	expect(parent(fromText('/a'))).toBe('/');
});

test('the root has no key in etcd\'s answer', () => {
	expect(node({ dir: true, nodes: [{ key: '/a', value: 'x', ttl: 5, expiration: '2026-11-28T23:51:39Z' }] })).toMatchObject({
		key: '/',
		nodes: [{ key: '/a', value: 'x', ttl: 5, expiration: Date.UTC(2026, 10, 28, 23, 51, 39), dir: false }],
	});
});
