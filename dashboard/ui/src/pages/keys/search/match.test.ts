import { expect, test } from 'vitest';
import { fromArray, fromText } from '../../../api/bytes.ts';
import { matcher } from './match.ts';

const find = (sought: string, text: string) => matcher(fromText(sought))(fromText(text));

test('a text is found in capitals or not, as it is written there', () => {
	expect(find('teapot', 'A TeaPot, red')).toEqual({ before: 'A ', found: 'TeaPot', after: ', red' });
	expect(find('GRÖSSE', 'größe: grösse')).toMatchObject({ found: 'grösse' });
	expect(find('x', 'y')).toBeUndefined();
});

test('bytes are found, and so is a text that looks like them', () => {
	expect(matcher(fromText('0xff01'))(fromArray(new Uint8Array([0, 255, 1, 2])))).toEqual({ before: '00', found: 'ff01', after: '02' });
	expect(find('0xff01', 'address 0xFF01')).toMatchObject({ found: '0xFF01' });
});

test('a text among bytes that are not UTF-8 is found', () => {
	expect(matcher(fromText('ABC'))(fromArray(new Uint8Array([255, 97, 98, 99, 255])))).toMatchObject({ found: 'abc' });
});
