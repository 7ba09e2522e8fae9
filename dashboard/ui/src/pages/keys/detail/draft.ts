// The user's text of a value: as text, or as hexadecimal digits, but in the end bytes. It
// stays what it is while the editor that shows it is exchanged.

import { type ReadonlySignal, signal } from '@preact/signals';
import { type Bytes, fromText, toText } from '../../../api/bytes.ts';
import { formatHex, parseHex } from './editor/hex.ts';
import { detect, type Language, longest } from './editor/language.ts';
import { lineBreak } from './editor/lines.ts';

export type Form = Language | 'hex';

/** What shows the text and has it edited. */
export interface Pane {
	text(): string;
	/** Replaces what differs; where the user is stays as it is, as far as possible. */
	replace(text: string, undoable: boolean): void;
	/** Whether the text is this one. */
	is(text: string): boolean;
	focus(): void;
}

export interface Draft {
	/** How it is shown. */
	readonly form: ReadonlySignal<Form>;
	/** When it changes, the pane has to be made anew. */
	readonly generation: ReadonlySignal<number>;
	/** It is so long that it is shown without colours. */
	readonly long: ReadonlySignal<boolean>;
	/** Why it is no value: it is not made of hexadecimal digits. */
	readonly wrong: ReadonlySignal<string | undefined>;
	/** Counts what has changed the text. */
	readonly edits: ReadonlySignal<number>;
	text(): string;
	/** The bytes; undefined if something is wrong. */
	bytes(): Bytes | undefined;
	/** Begins anew, from what etcd has. */
	load(bytes: Bytes): void;
	/** The text stays; what it is compared with is another. */
	rebase(bytes: Bytes): void;
	/** Shows it otherwise. False if it can't be: it is no text, or no digits. */
	show(form: Form): boolean;
	/** Replaces the text, as an edit. */
	replace(text: string): void;
	/** Replaces it by what these bytes are. */
	put(bytes: Bytes): void;
	attach(pane: Pane): () => void;
	/** The pane's text has been edited. */
	changed(): void;
	focus(): void;
}

/** tell is called after each edit with whether the bytes differ from those it was made from. */
export function makeDraft(tell: (dirty: boolean) => void): Draft {
	const form = signal<Form>('text');
	const generation = signal(0);
	const long = signal(false);
	const wrong = signal<string | undefined>(undefined);
	const edits = signal(0);
	/** The user's own choice of a form. */
	let chosen: Form | undefined;
	let base = '' as Bytes;
	/** What base is in the form that is shown; undefined if it can't be shown in it. */
	let shown: string | undefined = '';
	let pane: Pane | undefined;
	/** The text while there is no pane. */
	let kept = '';

	const isHex = (): boolean => form.peek() === 'hex';
	const textOf = (bytes: Bytes): string | undefined => (isHex() ? formatHex(bytes) : toText(bytes));
	const text = (): string => (pane ? pane.text() : kept);
	const bytes = (): Bytes | undefined => {
		if (!isHex()) return fromText(text());
		const parsed = parseHex(text());
		return 'bytes' in parsed ? parsed.bytes : undefined;
	};
	const remake = (next: string): void => {
		kept = next;
		pane = undefined;
		long.value = next.length > longest;
		generation.value++;
	};
	const judge = (): void => {
		edits.value++;
		if (isHex()) {
			const parsed = parseHex(text());
			wrong.value = 'line' in parsed ? `Line ${parsed.line} is not made of pairs of hexadecimal digits` : undefined;
			tell('line' in parsed || parsed.bytes !== base);
		} else {
			wrong.value = undefined;
			tell(shown === undefined || !(pane ? pane.is(shown) : kept === shown));
		}
	};

	const replace = (next: string): void => {
		if (pane && lineBreak(next) === lineBreak(pane.text())) pane.replace(next, true);
		else remake(next);
		judge();
	};

	return {
		form,
		generation,
		long,
		wrong,
		edits,
		text,
		bytes,
		load(given) {
			const was = isHex();
			const asText = toText(given);
			form.value = asText === undefined ? 'hex' : (chosen ?? detect(asText));
			base = given;
			shown = textOf(given) ?? '';
			wrong.value = undefined;
			if (!pane || was !== isHex() || lineBreak(shown) !== lineBreak(pane.text())) remake(shown);
			else pane.replace(shown, false);
			edits.value++;
		},
		rebase(given) {
			if (given === base) return;
			base = given;
			shown = textOf(given);
			judge();
		},
		show(wanted) {
			const was = isHex();
			if ((wanted === 'hex') !== was) {
				const now = bytes();
				const next = now === undefined ? undefined : wanted === 'hex' ? formatHex(now) : toText(now);
				if (next === undefined) return false;
				form.value = wanted;
				shown = textOf(base);
				remake(next);
			}
			chosen = wanted;
			form.value = wanted;
			return true;
		},
		replace,
		put(given) {
			const next = textOf(given);
			if (next !== undefined) {
				replace(next);
				return;
			}
			form.value = 'hex';
			shown = textOf(base);
			remake(formatHex(given));
			judge();
		},
		attach(made) {
			pane = made;
			return () => {
				if (pane !== made) return;
				kept = made.text();
				pane = undefined;
			};
		},
		changed: judge,
		focus: () => pane?.focus(),
	};
}
