// A key's value: the editor, what it is shown as, and what is said about it.

import { useEffect, useId, useState } from 'preact/hooks';
import { Button, Copy } from '../../../ui/parts.tsx';
import type { Draft, Form } from './draft.ts';
import { Field } from './editor/field.tsx';
import { formatJSON, longest, problem } from './editor/language.ts';
import { lineBreak } from './editor/lines.ts';
import { editor } from './editor/load.ts';

export interface ValueProps {
	draft: Draft;
	label: string;
	readOnly: boolean;
	onSave(): void;
	simple?: boolean;
}

const forms: [Form, string][] = [
	['json', 'JSON'],
	['yaml', 'YAML'],
	['text', 'Text'],
	['hex', 'Hex'],
];

export function Value({ draft, label, readOnly, onSave, simple = false }: ValueProps) {
	const form = draft.form.value;
	const id = useId();
	const [refused, setRefused] = useState(false);
	const wrong = draft.wrong.value;
	const broken = useProblem(draft);
	const said = refused
		? form === 'hex'
			? 'These bytes are not UTF-8: they can be shown as digits only.'
			: 'It can only be shown as digits.'
		: wrong
			? wrong
			: broken
				? `No valid JSON: ${broken}`
				: !simple && editor.content.value === null
					? 'The editor could not be loaded. This plain field works as well.'
					: draft.long.value && form !== 'hex'
						? 'Long: shown without colours.'
						: undefined;
	return (
		<div class="value">
			<div class="value-tools">
				{simple && <span class="muted">Value</span>}
				<label class="unseen" for={id}>
					Show the value as
				</label>
				<select
					id={id}
					class="input small"
					value={form}
					onChange={(event) => {
						const select = event.currentTarget;
						const done = draft.show(select.value as Form);
						setRefused(!done);
						if (!done) select.value = form;
					}}
				>
					{forms
						.filter(([f]) => !simple || f === 'text' || f === 'hex' || f === form)
						.map(([f, name]) => (
							<option key={f} value={f}>
								{name}
							</option>
						))}
				</select>
				{form === 'json' && (
					<Button
						small
						disabled={readOnly || broken !== undefined || draft.long.value}
						title={broken ? 'It has to be valid JSON first' : 'Set it out in lines; numbers and names stay as they are'}
						onClick={() => {
							const text = draft.text();
							draft.replace(formatJSON(text, lineBreak(text)));
							draft.focus();
						}}
					>
						Format
					</Button>
				)}
				<CopyNow draft={draft} />
				<span class={`value-said ${wrong || refused ? 'wrong' : broken ? 'broken' : ''}`} role="status" title={said}>
					{said}
				</span>
			</div>
			<Field draft={draft} label={label} readOnly={readOnly} onSave={onSave} simple={simple} />
		</div>
	);
}

function CopyNow({ draft }: { draft: Draft }) {
	const [text, setText] = useState('');
	return (
		<span onPointerEnter={() => setText(draft.text())} onFocusCapture={() => setText(draft.text())}>
			<Copy text={text} />
		</span>
	);
}

/** What is wrong with the JSON, a moment after the last edit. */
function useProblem(draft: Draft): string | undefined {
	const form = draft.form.value;
	const edits = draft.edits.value;
	const [found, setFound] = useState<string>();
	useEffect(() => {
		if (form !== 'json') {
			setFound(undefined);
			return;
		}
		const timer = setTimeout(() => {
			const text = draft.text();
			setFound(text.length > longest || text.trim() === '' ? undefined : problem(text.replace(/^\ufeff/, '')));
		}, 250);
		return () => clearTimeout(timer);
	}, [form, edits, draft]);
	return found;
}
