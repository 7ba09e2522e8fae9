// How the editor looks: made of the page's own tokens.

import { EditorView } from '@codemirror/view';

export const theme = EditorView.theme({
	'&': { color: 'var(--ink)', backgroundColor: 'var(--surface)', fontSize: '12.5px', height: '100%' },
	'&.cm-focused': { outline: 'none' },
	'.cm-scroller': { fontFamily: 'var(--data)', lineHeight: '1.55' },
	'.cm-content': { caretColor: 'var(--ink)', padding: '6px 0' },
	'.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--ink)' },
	'&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--accent-soft)' },
	'.cm-activeLine': { backgroundColor: 'transparent' },
	'&.cm-focused .cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--hover) 70%, transparent)' },
	'.cm-gutters': { color: 'var(--muted)', backgroundColor: 'var(--surface)', borderRight: '1px solid var(--line)' },
	'.cm-lineNumbers .cm-gutterElement': { padding: '0 6px 0 8px', minWidth: '28px' },
	'.cm-activeLineGutter': { color: 'var(--ink)', backgroundColor: 'transparent' },
	'.cm-foldGutter .cm-gutterElement': { color: 'var(--muted)', padding: '0 2px' },
	'.cm-foldPlaceholder': { color: 'var(--muted)', backgroundColor: 'var(--sunken)', border: '1px solid var(--line)', padding: '0 4px' },
	'.cm-specialChar': { color: 'var(--warn)', backgroundColor: 'var(--warn-soft)', borderRadius: '3px', fontSize: '0.85em' },
	'&.cm-focused .cm-matchingBracket, .cm-matchingBracket': { color: 'var(--ink)', backgroundColor: 'var(--accent-soft)' },
	'&.cm-focused .cm-nonmatchingBracket': { color: 'var(--bad)', backgroundColor: 'var(--bad-soft)' },
	'.cm-selectionMatch': { backgroundColor: 'var(--wait-soft)' },
	'.cm-searchMatch': { color: 'var(--warn)', backgroundColor: 'var(--warn-soft)' },
	'.cm-searchMatch-selected': { backgroundColor: 'var(--warn-soft)', outline: '1px solid var(--warn)' },
	'.cm-panels': { color: 'var(--ink)', backgroundColor: 'var(--sunken)', fontFamily: 'var(--words)' },
	'.cm-panels.cm-panels-top': { borderBottom: '1px solid var(--line)' },
	'.cm-panel.cm-search': { padding: '6px 28px 6px 8px' },
	'.cm-panel.cm-search label': { fontSize: 'var(--size-s)', color: 'var(--muted)' },
	'.cm-panel.cm-search [name=close]': { color: 'var(--muted)', fontSize: '16px', right: '6px' },
	'.cm-textfield': { color: 'var(--ink)', backgroundColor: 'var(--surface)', border: '1px solid var(--line-strong)', borderRadius: 'var(--radius-s)', fontSize: 'var(--size-s)' },
	'.cm-button': { color: 'var(--ink)', backgroundImage: 'none', backgroundColor: 'var(--surface)', border: '1px solid var(--line-strong)', borderRadius: 'var(--radius-s)', fontSize: 'var(--size-s)' },
	'.cm-button:active': { backgroundImage: 'none', backgroundColor: 'var(--hover)' },
	':focus-visible': { outline: '2px solid var(--focus)', outlineOffset: '-1px' },
	'.cm-content:focus-visible': { outline: 'none' },

	// What differs.
	'&.cm-merge-a .cm-changedLine, .cm-deletedChunk': { backgroundColor: 'color-mix(in srgb, var(--bad-soft) 55%, transparent)' },
	'&.cm-merge-b .cm-changedLine, .cm-insertedLine': { backgroundColor: 'color-mix(in srgb, var(--accent-soft) 55%, transparent)' },
	'&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText, del': { background: 'var(--bad-soft)', color: 'var(--ink)', textDecoration: 'none' },
	'&.cm-merge-b .cm-changedText': { background: 'var(--accent-soft)', color: 'var(--ink)' },
	'&.cm-merge-a .cm-changedLineGutter, .cm-deletedLineGutter': { background: 'var(--bad)' },
	'&.cm-merge-b .cm-changedLineGutter': { background: 'var(--accent)' },
	'.cm-collapsedLines': { color: 'var(--muted)', background: 'var(--sunken)', fontFamily: 'var(--words)', padding: '3px 8px' },
});
