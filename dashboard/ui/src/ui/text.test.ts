import { expect, test } from 'vitest';
import { fromArray, fromText } from '../api/bytes.ts';
import { label } from './text.tsx';

test.each([
	['plain/key 1', 'plain/key 1'],
	[' a b  ', '·a b··'],
	['no\u00a0break', 'noU+00A0break'],
	['\u202eabc\n\0', 'U+202Eabc↵NUL'],
	['\u00e9', '\u00e9'],
	['e\u0301', 'eU+0301'],
	['हिन्दी', 'हिन्दी'],
])('%j is shown as %j', (text, shown) => {
	expect(label(fromText(text))).toBe(shown);
});

test('bytes are digits', () => {
	expect(label(fromArray(new Uint8Array([255, 0])))).toBe('hex ff00');
});
