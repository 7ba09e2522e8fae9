// Dialogs within the page, and what it says in passing.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { asFailure, explain, type Failure } from '../api/failure.ts';
import { Button, Problem, type Tone } from './parts.tsx';

/** A modal dialog, open as long as it is rendered. Escape, and a click beside it, close it. */
export function Dialog({ title, wide, onClose, children }: { title: string; wide?: boolean; onClose: () => void; children: ComponentChildren }) {
	const ref = useRef<HTMLDialogElement>(null);
	const id = useId();
	useEffect(() => {
		const back = document.activeElement;
		const dialog = ref.current;
		dialog?.showModal();
		return () => {
			dialog?.close(); // as long as it is modal, nothing else takes the focus
			if (back instanceof HTMLElement) back.focus();
		};
	}, []);
	return (
		<dialog
			ref={ref}
			class={`dialog ${wide ? 'wide' : ''}`}
			aria-labelledby={id}
			onCancel={(event) => {
				event.preventDefault();
				onClose();
			}}
			onMouseDown={(event) => {
				if (event.target === ref.current) onClose();
			}}
		>
			<div class="inner">
				<h2 id={id}>{title}</h2>
				{children}
			</div>
		</dialog>
	);
}

/** Something that is done only when the user has said so. */
export interface Question {
	title: string;
	/** What will happen, and to whom. */
	body: ComponentChildren;
	/** What the button says: the action itself. */
	action: string;
	danger?: boolean;
	/** Done while the dialog is open; what it throws is shown there. Without it, the answer is all. */
	run?: () => Promise<void>;
}

interface Asked extends Question {
	answer(yes: boolean): void;
}

const asked = signal<Asked | undefined>(undefined);

/** Asks the user. Resolves to whether they said yes (and it has been done). */
export function confirm(question: Question): Promise<boolean> {
	asked.peek()?.answer(false);
	return new Promise((resolve) => {
		asked.value = {
			...question,
			answer(yes) {
				asked.value = undefined;
				resolve(yes);
			},
		};
	});
}

/** Where confirm's dialog is shown: once, in the shell. */
export function Confirmation() {
	const question = asked.value;
	return question ? <Ask key={question.title} question={question} /> : null;
}

function Ask({ question }: { question: Asked }) {
	const [busy, setBusy] = useState(false);
	const [failure, setFailure] = useState<Failure>();
	const yes = async (): Promise<void> => {
		setBusy(true);
		setFailure(undefined);
		try {
			await question.run?.();
			question.answer(true);
		} catch (thrown) {
			setFailure(asFailure(thrown));
			setBusy(false);
		}
	};
	return (
		<Dialog title={question.title} onClose={() => question.answer(false)}>
			<p>{question.body}</p>
			{failure && <Problem failure={failure} />}
			<div class="buttons">
				<Button autofocus onClick={() => question.answer(false)}>
					{failure ? 'Close' : 'Cancel'}
				</Button>
				<Button kind={question.danger ? 'danger' : 'primary'} disabled={busy} onClick={() => void yes()}>
					{failure ? 'Try again' : question.action}
				</Button>
			</div>
		</Dialog>
	);
}

interface Toast {
	id: number;
	text: string;
	more: string | undefined;
	tone: Tone;
}

const toasts = signal<readonly Toast[]>([]);
let next = 0;

/** Says something in passing. Bad news stays until it is closed. */
export function say(text: string, tone: Tone = 'good', more?: string): void {
	const id = next++;
	toasts.value = [...toasts.value, { id, text, tone, more }].slice(-4);
	if (tone !== 'bad') setTimeout(() => dismiss(id), 5000);
}

/** Says in passing what failed. */
export function sayFailure(thrown: unknown): void {
	const failure = asFailure(thrown);
	const { title, advice } = explain(failure);
	say(title, 'bad', `${advice} (${failure.message})`);
}

function dismiss(id: number): void {
	toasts.value = toasts.value.filter((t) => t.id !== id);
}

/** Where say's words are shown: once, in the shell. */
export function Toasts() {
	return (
		<div class="toasts" role="status" aria-live="polite">
			{toasts.value.map((t) => (
				<div key={t.id} class={`note ${t.tone}`}>
					<div>
						<strong>{t.text}</strong>
						{t.more && <p>{t.more}</p>}
					</div>
					<Button small kind="plain" aria-label="Dismiss" onClick={() => dismiss(t.id)}>
						✕
					</Button>
				</div>
			))}
		</div>
	);
}
