import { describe, expect, test } from 'vitest';
import { edited, lineBreak, plain } from './lines.ts';

test.each([
	['', '\n'],
	['a', '\n'],
	['a\nb', '\n'],
	['a\r\nb\r\n', '\r\n'],
	['a\r\nb\nc', '\n'],
	['\n\r\n', '\n'],
	['a\rb', '\n'],
	['a\r\r\nb', '\r\n'],
] as const)('what separates the lines of %j', (text, expected) => {
	expect(lineBreak(text)).toBe(expected);
	// An editor that splits and joins with it changes nothing.
	expect(text.split(lineBreak(text)).join(lineBreak(text))).toBe(text);
});

describe('an edit in a plain field', () => {
	test.each(['', 'a', 'a\nb\n', 'a\r\nb\r\n', 'a\r\nb\nc\rd\r\n\n', '\ufeffa\0b\r\n', '\r\r\n\n'])('of nothing leaves %j alone', (text) => expect(edited(text, plain(text))).toBe(text));
	test('keeps the line breaks before and after', () => expect(edited('a\r\nb\nc\rd', 'a\nbX\nc\nd')).toBe('a\r\nbX\nc\rd'));
	test('has the line breaks of the text', () => {
		expect(edited('a\r\nb\r\n', 'a\nnew\nb\n')).toBe('a\r\nnew\r\nb\r\n');
		expect(edited('a\nb\n', 'a\nnew\nb\n')).toBe('a\nnew\nb\n');
	});
	test('can take all away', () => expect(edited('a\r\nb', '')).toBe(''));
	test('can take one of two line breaks away', () => expect(edited('a\r\n\r\nb', 'a\nb')).toBe('a\r\nb'));
});
