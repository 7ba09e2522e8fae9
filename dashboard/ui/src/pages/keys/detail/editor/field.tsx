// A value as it is edited: in a plain field, and in the editor as soon as that is there.

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Draft } from '../draft.ts';
import type { Editor } from './editor.ts';
import { edited, plain } from './lines.ts';
import { editor as code } from './load.ts';

export interface FieldProps {
	draft: Draft;
	label: string;
	readOnly: boolean;
	onSave(): void;
	/** A plain field, for good. */
	simple?: boolean;
}

export function Field({ draft, label, readOnly, onSave, simple = false }: FieldProps) {
	const generation = draft.generation.value;
	const module = simple ? null : code.content.value;
	const form = draft.form.value;
	const host = useRef<HTMLDivElement>(null);
	const area = useRef<HTMLTextAreaElement>(null);
	const editor = useRef<Editor>(undefined);
	const save = useRef(onSave);
	save.current = onSave;
	const hint = useId();
	const [standing, setStanding] = useState(false);

	useEffect(() => {
		if (!simple) code.load();
	}, [simple]);

	// The plain field, until there is something better. It is not controlled: what is typed stays.
	useEffect(() => {
		const box = area.current;
		if (module || !box) return;
		let text = draft.text();
		box.value = plain(text);
		const onInput = (): void => {
			text = edited(text, box.value);
			draft.changed();
		};
		box.addEventListener('input', onInput);
		const detach = draft.attach({
			text: () => text,
			is: (other) => text === other,
			replace(next) {
				text = next;
				const { selectionStart, selectionEnd } = box;
				box.value = plain(next);
				box.setSelectionRange(selectionStart, selectionEnd);
			},
			focus: () => box.focus(),
		});
		return () => {
			box.removeEventListener('input', onInput);
			detach();
		};
	}, [module, generation, draft]);

	useEffect(() => {
		const parent = host.current;
		if (!module || !parent) return;
		const root = parent.shadowRoot ?? parent.attachShadow({ mode: 'open', delegatesFocus: true });
		const box = area.current;
		const before = box && { focused: document.activeElement === box, start: box.selectionStart, end: box.selectionEnd };
		// What is not shown can't have the focus.
		parent.classList.remove('waits');
		const tip = document.createElement('span');
		tip.id = hint;
		tip.hidden = true;
		tip.textContent = 'Tab indents. Escape, then Tab, leaves the field.';
		root.append(tip);
		const made = module.openEditor({
			parent: root,
			text: draft.text(),
			form: draft.form.peek(),
			long: draft.long.peek(),
			label,
			describedBy: hint,
			readOnly,
			onChange: draft.changed,
			onSave: () => save.current(),
		});
		editor.current = made;
		const detach = draft.attach(made);
		if (before?.focused) {
			const end = made.view.state.doc.length;
			made.view.dispatch({ selection: { anchor: Math.min(before.start, end), head: Math.min(before.end, end) }, scrollIntoView: true });
			made.focus();
		}
		setStanding(true);
		return () => {
			detach();
			made.close();
			tip.remove();
			editor.current = undefined;
		};
	}, [module, generation, draft]);

	useEffect(() => editor.current?.setForm(form), [form]);
	useEffect(() => editor.current?.setReadOnly(readOnly), [readOnly, standing]);

	return (
		<div class="value-field">
			{!standing && (
				<textarea
					ref={area}
					class="input data"
					aria-label={label}
					readOnly={readOnly}
					spellcheck={false}
					autocomplete="off"
					onKeyDown={(event) => {
						if (event.key !== 's' || !(event.ctrlKey || event.metaKey)) return;
						event.preventDefault();
						onSave();
					}}
				/>
			)}
			{!simple && <div ref={host} class={`value-editor ${standing ? '' : 'waits'}`} />}
		</div>
	);
}
