// Creates a key, if there is none of that name.

import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bytes, fromHex, fromText, toHex, toText } from '../../../api/bytes.ts';
import { asFailure, Failure } from '../../../api/failure.ts';
import { normal } from '../../../api/v2.ts';
import { go, href, place } from '../../../router.ts';
import { settings } from '../../../settings.ts';
import { confirm, Dialog, say } from '../../../ui/dialog.tsx';
import { Button, Problem } from '../../../ui/parts.tsx';
import { label } from '../../../ui/text.tsx';
import type { CreateKeyProps } from './create.tsx';
import { makeDraft } from './draft.ts';
import { isDone, withLease } from './lease/change.ts';
import { startChoice, TimeFields, timeOf } from './lease/time-fields.tsx';
import { meaningOf } from './own-keys.ts';
import { openStore } from './store.ts';
import { createV2 } from './store-v2.ts';
import { createKey } from './store-v3.ts';
import { Value } from './value.tsx';

export function CreateDialog({ space, prefix, onClose }: CreateKeyProps) {
	const [hex, setHex] = useState(toText(prefix) === undefined);
	const [text, setText] = useState(toText(prefix) ?? toHex(prefix));
	const [draft] = useState(() => makeDraft(() => undefined));
	const [choice, setChoice] = useState(startChoice());
	const [failure, setFailure] = useState<Failure>();
	const [taken, setTaken] = useState<Bytes>();
	const [busy, setBusy] = useState(false);
	const field = useRef<HTMLInputElement>(null);
	// What the key is called comes behind the folder.
	useEffect(() => field.current?.setSelectionRange(-1, -1), []);

	const name = hex ? fromHex(text) : fromText(text);
	const time = timeOf(choice);
	const readOnly = settings.readOnly ? 'This dashboard is for reading only: the gateway refuses its writes' : undefined;
	const wrong = name === undefined ? 'Pairs of hexadecimal digits, for each byte' : undefined;
	const wrongV2 = space === 'v2' && name !== undefined && (normal(name) === '/' || /(^|\/)\.{1,2}(\/|$)/.test(name)) ? 'A path, without . and ..' : undefined;
	const own = name && meaningOf(space, name);

	const show = (key: Bytes): void => {
		onClose();
		void go(href('keys', { ...Object.fromEntries(place.peek().parameters), key, view: undefined }));
	};

	const close = async (): Promise<void> => {
		const typed = draft.text() !== '' || (name !== undefined && name !== prefix);
		if (typed && !(await confirm({ title: 'Close without creating it?', body: 'What you have typed is lost then.', action: 'Close', danger: true }))) return;
		onClose();
	};

	const create = async (): Promise<void> => {
		const value = draft.bytes();
		if (!name || value === undefined || !time || busy || readOnly) return;
		const key = space === 'v2' ? normal(name) : name;
		setBusy(true);
		setFailure(undefined);
		setTaken(undefined);
		try {
			const written = space === 'v3' ? await withLease(time, (lease) => createKey(key, value, lease)) : await createV2(key, value, time.kind === 'ttl' ? time.seconds : undefined);
			if (written.done) {
				say('Created', 'good', label(key));
				show(key);
				return;
			}
			if (written.now) setTaken(key);
			else setFailure(new Failure('conflict', 'it was there a moment ago, and is gone'));
		} catch (thrown) {
			const why = asFailure(thrown);
			if (why.kind === 'unknown') {
				const seen = await openStore(space, key).read().catch(() => undefined);
				if (isDone(time, undefined, value, seen?.now)) {
					say('The answer was late, but it was created', 'good', label(key));
					show(key);
					return;
				}
				if (seen?.now) setTaken(key);
			}
			setFailure(why);
		}
		setBusy(false);
	};

	return (
		<Dialog wide title="New key" onClose={() => void close()}>
			<form
				class="create-form"
				onSubmit={(event) => {
					event.preventDefault();
					void create();
				}}
			>
				<div class="create-key">
					<label class="field">
						<span>Key</span>
						<input
							class="input data"
							ref={field}
							name="key"
							value={text}
							autofocus
							spellcheck={false}
							autocomplete="off"
							autocapitalize="off"
							aria-invalid={wrong !== undefined || wrongV2 !== undefined}
							onInput={(event) => {
								setText(event.currentTarget.value);
								setTaken(undefined);
							}}
						/>
					</label>
					<label class="time-choice">
						<input
							type="checkbox"
							checked={hex}
							onChange={() => {
								const next = hex ? name && toText(name) : name && toHex(name);
								if (next === undefined) return;
								setText(next);
								setHex(!hex);
							}}
						/>
						as hex
					</label>
				</div>
				{(wrong ?? wrongV2) && <small class="wrong">{wrong ?? wrongV2}</small>}
				{own && (
					<div class="note warn">
						<div>
							<strong>The gateway has its own keys here</strong>
							<p>One that it has not made itself may confuse its locks and elections.</p>
						</div>
					</div>
				)}
				<Value simple draft={draft} label="Value" readOnly={false} onSave={() => void create()} />
				<TimeFields space={space} choice={choice} onChange={setChoice} />
				{taken !== undefined && (
					<div class="note warn" role="alert">
						<div>
							<strong>There is a key of this name already</strong>
							<p>Nothing was written.</p>
						</div>
						<Button small onClick={() => show(taken)}>
							Open it
						</Button>
					</div>
				)}
				{failure && <Problem failure={failure} />}
				<div class="buttons">
					<Button onClick={() => void close()}>Cancel</Button>
					<Button type="submit" kind="primary" title={readOnly} disabled={busy || !name || wrongV2 !== undefined || !time || draft.wrong.value !== undefined || readOnly !== undefined}>
						Create
					</Button>
				</div>
			</form>
		</Dialog>
	);
}
