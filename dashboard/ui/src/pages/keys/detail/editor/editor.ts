// The editor, in a chunk of its own: it is large, and loaded when a value is opened.

import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { MergeView, unifiedMergeView } from '@codemirror/merge';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { Compartment, EditorState, type Extension, Transaction } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Form, Pane } from '../draft.ts';
import { offsetAt } from './hex.ts';
import { lineBreak } from './lines.ts';
import { theme } from './theme.ts';

// Colours are the page's own properties: they reach into a shadow root, and follow the scheme.
const colours = HighlightStyle.define([
	{ tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
	{ tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.atom], color: 'var(--warn)' },
	{ tag: [tags.string, tags.content], color: 'var(--ink)' },
	{ tag: [tags.comment, tags.meta], color: 'var(--muted)', fontStyle: 'italic' },
	{ tag: [tags.separator, tags.punctuation, tags.bracket, tags.squareBracket, tags.brace], color: 'var(--muted)' },
	{ tag: tags.invalid, color: 'var(--bad)' },
]);

const dark = matchMedia('(prefers-color-scheme: dark)');

function language(form: Form): Extension {
	return form === 'json' ? json() : form === 'yaml' ? yaml() : [];
}

/**
 * What is typed over a selection. A browser that does that itself joins the lines with elements
 * that have a style attribute, which the page's CSP refuses.
 */
const typeOver = EditorView.domEventHandlers({
	beforeinput(event, view) {
		const { state } = view;
		const text = /^insert(Text|ReplacementText|LineBreak|Paragraph)$/.test(event.inputType) ? (event.data ?? event.dataTransfer?.getData('text/plain') ?? state.lineBreak) : /^delete/.test(event.inputType) ? '' : undefined;
		if (text === undefined || state.readOnly || state.selection.ranges.every((range) => range.empty)) return false;
		view.dispatch(state.replaceSelection(text), { userEvent: text === '' ? 'delete.selection' : 'input.type', scrollIntoView: true });
		return true;
	},
});

function look(form: Form): Extension {
	return [
		theme,
		EditorView.darkTheme.of(dark.matches),
		syntaxHighlighting(colours),
		highlightSpecialChars(),
		form === 'hex' ? lineNumbers({ formatNumber: (n, state) => (n <= state.doc.lines ? offsetAt(state.doc.line(n).from) : '000000') }) : lineNumbers(),
		EditorView.lineWrapping,
	];
}

export interface EditorOptions {
	parent: ShadowRoot;
	text: string;
	form: Form;
	/** Without colours and folding. */
	long: boolean;
	label: string;
	/** The ID of what says how to leave it, in the same root. */
	describedBy: string;
	readOnly: boolean;
	onChange(): void;
	onSave(): void;
}

export interface Editor extends Pane {
	readonly view: EditorView;
	setForm(form: Form): void;
	setReadOnly(readOnly: boolean): void;
	close(): void;
}

export function openEditor({ parent, text, form, long, label, describedBy, readOnly, onChange, onSave }: EditorOptions): Editor {
	const lines = lineBreak(text);
	const inLanguage = new Compartment();
	const writable = new Compartment();
	const rich = (f: Form): Extension => (long || f === 'hex' || f === 'text' ? [] : [language(f), foldGutter(), bracketMatching(), indentOnInput()]);
	const writing = (not: boolean): Extension => [EditorState.readOnly.of(not), EditorView.contentAttributes.of({ 'aria-readonly': String(not) })];
	const save = (): boolean => {
		onSave();
		return true;
	};
	const view = new EditorView({
		parent,
		root: parent,
		state: EditorState.create({
			doc: text,
			extensions: [
				// Bytes that are not edited stay what they are.
				EditorState.lineSeparator.of(lines),
				EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?|\n/g, lines)),
				EditorView.contentAttributes.of({ 'aria-label': label, 'aria-describedby': describedBy, spellcheck: 'false', autocorrect: 'off', autocapitalize: 'off' }),
				look(form),
				indentUnit.of('  '),
				history(),
				typeOver,
				drawSelection(),
				highlightActiveLine(),
				highlightActiveLineGutter(),
				long ? [] : highlightSelectionMatches(),
				search({ top: true }),
				keymap.of([{ key: 'Mod-s', run: save }, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...defaultKeymap, indentWithTab]),
				inLanguage.of(rich(form)),
				writable.of(writing(readOnly)),
				EditorView.updateListener.of((update) => {
					if (update.docChanged) onChange();
				}),
			],
		}),
	});
	const { state } = view;
	let known = { text, doc: state.doc };
	return {
		view,
		text: () => view.state.sliceDoc(),
		is(other) {
			if (known.text !== other) known = { text: other, doc: view.state.toText(other) };
			return view.state.doc.length === known.doc.length && view.state.doc.eq(known.doc);
		},
		replace(next, undoable) {
			const before = view.state.sliceDoc(0, undefined);
			if (before === next) return;
			const old = view.state.doc;
			const doc = view.state.toText(next);
			const [from, end] = common(old.toString(), doc.toString());
			view.dispatch({
				changes: { from, to: old.length - end, insert: doc.slice(from, doc.length - end) },
				annotations: Transaction.addToHistory.of(undoable),
			});
		},
		focus: () => view.focus(),
		setForm: (f) => view.dispatch({ effects: inLanguage.reconfigure(rich(f)) }),
		setReadOnly: (not) => view.dispatch({ effects: writable.reconfigure(writing(not)) }),
		close: () => view.destroy(),
	};
}

/** How much two texts have in common at their beginning, and at their end. */
function common(a: string, b: string): [number, number] {
	const shorter = Math.min(a.length, b.length);
	let start = 0;
	while (start < shorter && a[start] === b[start]) start++;
	let end = 0;
	while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
	return [start, end];
}

export interface ComparisonOptions {
	parent: ShadowRoot;
	/** On the left, or what was. */
	a: string;
	/** On the right, or what is instead. */
	b: string;
	labels: [string, string];
	form: Form;
	/** One below the other. */
	unified: boolean;
}

/** Shows what differs between two texts. Returns what closes it. */
export function openComparison({ parent, a, b, labels, form, unified }: ComparisonOptions): () => void {
	const extensions = (text: string, label: string): Extension => [
		EditorState.lineSeparator.of(lineBreak(text)),
		look(form),
		language(form),
		EditorState.readOnly.of(true),
		EditorView.contentAttributes.of({ 'aria-label': label, 'aria-readonly': 'true' }),
		keymap.of([...searchKeymap, ...defaultKeymap]),
		search({ top: true }),
	];
	const shared = { gutter: true, collapseUnchanged: { margin: 3, minSize: 6 }, diffConfig: { scanLimit: 1000, timeout: 500 } };
	if (unified) {
		const view = new EditorView({
			parent,
			root: parent,
			state: EditorState.create({ doc: b, extensions: [extensions(b, labels.join(', ')), unifiedMergeView({ original: a, mergeControls: false, ...shared })] }),
		});
		return () => view.destroy();
	}
	const view = new MergeView({
		parent,
		root: parent,
		a: { doc: a, extensions: extensions(a, labels[0]) },
		b: { doc: b, extensions: extensions(b, labels[1]) },
		...shared,
	});
	return () => view.destroy();
}
