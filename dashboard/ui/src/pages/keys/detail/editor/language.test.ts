import { describe, expect, test, vi } from 'vitest';
import { detect, formatJSON, longest, problem } from './language.ts';

describe('detect', () => {
	test.each([
		['{"a":1}', 'json'],
		['[1,2]', 'json'],
		['\ufeff {"a":1}\r\n', 'json'],
		['{"a":1,}', 'json'],
		['{\n  "a": 1', 'json'],
		['{}', 'json'],
		['[section]\nkey=value', 'text'],
		['{{ .Template }}', 'text'],
		['{"state":"held"}\nbar', 'text'],
		['42', 'text'],
		['true', 'text'],
		['"quoted"', 'text'],
		['', 'text'],
		['hello', 'text'],
		['note: this is a sentence', 'text'],
		['a: 1\nb: 2\n', 'yaml'],
		['# comment\nname: x\n', 'yaml'],
		['---\na: 1\n', 'yaml'],
		['servers:\n  - name: a\n    port: 1\n  - name: b\n', 'yaml'],
		['- a: 1\n- b: 2\n', 'yaml'],
		['a: 1\r\nb: 2\r\n', 'yaml'],
		['Dear all,\nnote: this\nand: that\n', 'text'],
		['http://x\nhttp://y', 'text'],
		['<img src=x onerror=alert(1)>', 'text'],
		['a=1\nb=2', 'text'],
	])('%j', (text, language) => expect(detect(text)).toBe(language));

	test('what is long is text', () => expect(detect(`["${'x'.repeat(longest)}"]`)).toBe('text'));
});

test('a problem of JSON is told, or none', () => {
	expect(problem('{"a":1}')).toBeUndefined();
	expect(problem('{"a":}')).toBeTypeOf('string');
	// As Chromium says it, with the place at the end, where it is cut off.
	vi.spyOn(JSON, 'parse').mockImplementation(() => {
		throw new SyntaxError("Expected ',' or '}' after property value in JSON at position 12 (line 2 column 5)");
	});
	expect(problem('{}')).toBe("line 2, column 5: Expected ',' or '}' after property value");
});

describe('formatJSON', () => {
	test('sets it out in lines', () => expect(formatJSON('{"a":[1,{"b":null}],"c":{},"d":[ ]}')).toBe('{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}'));
	test('leaves tokens as they are', () => expect(formatJSON('{"a":1.0,"a":12345678901234567890,"e":1e3,"s":"\\u00e9 {,} \\" : "}')).toBe('{\n  "a": 1.0,\n  "a": 12345678901234567890,\n  "e": 1e3,\n  "s": "\\u00e9 {,} \\" : "\n}'));
	test('twice is as good as once', () => {
		const once = formatJSON('[{"a":[1,2]},[],"x"]');
		expect(formatJSON(once)).toBe(once);
	});
	test('keeps the last line break, and its kind', () => {
		expect(formatJSON('[1]\n')).toBe('[\n  1\n]\n');
		expect(formatJSON('[1]\r\n', '\r\n')).toBe('[\r\n  1\r\n]\r\n');
	});
	test('scalars', () => expect(formatJSON(' true ')).toBe('true'));
});
