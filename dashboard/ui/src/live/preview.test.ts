import { expect, test } from 'vitest';
import { type Bytes, fromArray, fromText } from '../api/bytes.ts';
import { preview } from './preview.ts';

test('JSON is on one line', () => {
	expect(preview(fromText('{\n  "a": [1, 2]\n}')).text).toBe('{"a":[1,2]}');
	// Numbers that JavaScript can't hold, and names that are there twice, are in etcd all the same.
	expect(preview(fromText('{ "id": 12345678901234567890, "f": 1.0,\n "a b": "c \\" d", "a b": 2 }')).text).toBe('{"id":12345678901234567890,"f":1.0,"a b":"c \\" d","a b":2}');
	expect(preview(fromText('{ not JSON')).text).toBe('{ not JSON');
});

test('lines are joined without what they are indented by', () => {
	expect(preview(fromText('a:\n  - b\r\n  - c\n')).text).toBe('a:\n- b\n- c');
});

test('a long text may be cut within a letter', () => {
	const { text, size, binary } = preview(fromText('ä'.repeat(10_000)));
	expect({ text, size, binary }).toEqual({ text: 'ä'.repeat(240), size: 20_000, binary: false });
	expect(preview(fromText('x' + '🦊'.repeat(10_000))).binary).toBe(false);
});

test('bytes are digits', () => {
	expect(preview(fromArray(new Uint8Array([0xff, 0, 1])))).toEqual({ text: 'ff 00 01', size: 3, binary: true });
	expect(preview('' as Bytes)).toEqual({ text: '', size: 0, binary: false });
});
