import { expect, test } from 'vitest';
import { type Bytes, fromArray } from '../../../../api/bytes.ts';
import { formatHex, offsetAt, parseHex } from './hex.ts';

const all = fromArray(Uint8Array.from({ length: 256 }, (_, i) => i));

test('every byte goes there and back', () => expect(parseHex(formatHex(all))).toEqual({ bytes: all }));

test('sixteen on a line', () => {
	expect(formatHex('' as Bytes)).toBe('');
	expect(formatHex(all.slice(0, 18) as Bytes)).toBe('00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n10 11');
});

test('any white space may stand between bytes, and none', () => expect(parseHex('00ff 0A\n\r\n\t7f ')).toEqual({ bytes: '\x00\xff\x0a\x7f' }));

test('says where it is wrong', () => {
	expect(parseHex('00 0')).toEqual({ line: 1 });
	expect(parseHex('00\n11\n0x')).toEqual({ line: 3 });
	expect(parseHex('0 0')).toEqual({ line: 1 });
});

test('each line begins at an offset', () => {
	const text = formatHex(all);
	const second = text.indexOf('\n') + 1;
	expect(offsetAt(0)).toBe('000000');
	expect(offsetAt(second)).toBe('000010');
});
