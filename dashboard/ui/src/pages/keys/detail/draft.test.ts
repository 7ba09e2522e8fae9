import { describe, expect, test, vi } from 'vitest';
import { type Bytes, fromText } from '../../../api/bytes.ts';
import { makeDraft, type Pane } from './draft.ts';

/** A pane that has been typed into. */
function pane(text: string): Pane & { now: string } {
	return {
		now: text,
		text() {
			return this.now;
		},
		is(other) {
			return this.now === other;
		},
		replace(next) {
			this.now = next;
		},
		focus() {},
	};
}

const odd: [string, Bytes][] = [
	['nothing', '' as Bytes],
	['CRLF', 'a\r\nb\r\n' as Bytes],
	['mixed line breaks', 'a\r\nb\nc\rd' as Bytes],
	['no last line break', 'a\nb' as Bytes],
	['a BOM', fromText('\ufeff{"a":1}')],
	['NUL', 'a\0b\0' as Bytes],
	['bytes that are not UTF-8', '\xff\xfe\x00\x80' as Bytes],
	['what is almost UTF-8', '\xc3\x28 and \xed\xa0\x80' as Bytes],
	['other planes', fromText('𝔘 👩‍🚀 \u{10ffff}')],
];

describe('bytes that are not edited', () => {
	test.each(odd)('%s', (_, bytes) => {
		const draft = makeDraft(() => undefined);
		draft.load(bytes);
		expect(draft.bytes()).toBe(bytes);
		expect(draft.show('hex')).toBe(true);
		expect(draft.bytes()).toBe(bytes);
		draft.show('text');
		expect(draft.bytes()).toBe(bytes);
	});
});

test('says whether it differs', () => {
	const tell = vi.fn();
	const draft = makeDraft(tell);
	draft.load(fromText('one'));
	const shown = pane(draft.text());
	draft.attach(shown);
	shown.now = 'two';
	draft.changed();
	expect(tell).toHaveBeenLastCalledWith(true);
	shown.now = 'one';
	draft.changed();
	expect(tell).toHaveBeenLastCalledWith(false);
	draft.rebase(fromText('other'));
	expect(tell).toHaveBeenLastCalledWith(true);
	expect(draft.text()).toBe('one');
});

test('hexadecimal digits differ by their bytes only', () => {
	const tell = vi.fn();
	const draft = makeDraft(tell);
	draft.load('\xff\x00' as Bytes);
	expect(draft.form.value).toBe('hex');
	const shown = pane(draft.text());
	draft.attach(shown);
	shown.now = 'FF00';
	draft.changed();
	expect(tell).toHaveBeenLastCalledWith(false);
	shown.now = 'ff 0';
	draft.changed();
	expect(tell).toHaveBeenLastCalledWith(true);
	expect(draft.wrong.value).toContain('Line 1');
	expect(draft.bytes()).toBeUndefined();
	expect(draft.show('text')).toBe(false);
	expect(draft.form.value).toBe('hex');
});

test('is kept when what shows it goes', () => {
	const draft = makeDraft(() => undefined);
	draft.load(fromText('one'));
	const shown = pane('one');
	const detach = draft.attach(shown);
	shown.now = 'typed';
	detach();
	expect(draft.text()).toBe('typed');
});

test('a chosen form is kept', () => {
	const draft = makeDraft(() => undefined);
	draft.load(fromText('{"a":1}'));
	expect(draft.form.value).toBe('json');
	draft.show('text');
	draft.load(fromText('{"a":2}'));
	expect(draft.form.value).toBe('text');
	draft.load('\xff' as Bytes);
	expect(draft.form.value).toBe('hex');
	draft.load(fromText('{"a":3}'));
	expect(draft.form.value).toBe('text');
});

test('what cannot be shown as text is put as digits', () => {
	const draft = makeDraft(() => undefined);
	draft.load(fromText('text'));
	draft.put('\xff' as Bytes);
	expect(draft.form.value).toBe('hex');
	expect(draft.bytes()).toBe('\xff');
});
