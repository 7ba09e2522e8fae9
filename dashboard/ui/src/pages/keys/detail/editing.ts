// A key that is open: what etcd has, the user's text, and the writes between them.

import { effect, type ReadonlySignal, signal, untracked } from '@preact/signals';
import type { Bytes } from '../../../api/bytes.ts';
import { asFailure, type Failure } from '../../../api/failure.ts';
import { keep, type Stream } from '../../../live/stream.ts';
import { say } from '../../../ui/dialog.tsx';
import { duration } from '../../../ui/parts.tsx';
import { type Draft, makeDraft } from './draft.ts';
import { current, type Edit, type Event, landed, next, opening, type Seen, type Version } from './edit.ts';
import { left } from './store-v2.ts';
import type { Store, Written } from './store.ts';

export interface Editing {
	readonly store: Store;
	readonly edit: ReadonlySignal<Edit>;
	readonly draft: Draft;
	readonly stream: Stream;
	/** Why the last write has failed, until the next. */
	readonly failure: ReadonlySignal<Failure | undefined>;
	/** What has been done last, for a while. */
	readonly done: ReadonlySignal<string>;
	/** Says what has been done. */
	note(done: string): void;
	/** Saves the user's text. */
	save(): Promise<void>;
	/** Writes the user's text over theirs, as both are shown. */
	overwrite(): Promise<void>;
	/** Writes a value that it once had, if it is still base, which the user was asked about. Whether it has been. */
	restore(value: Bytes, base: Version | undefined): Promise<boolean>;
	/** Another write that leaves the value as it is: a lease, a TTL. */
	alter(alter: (base: Version) => Promise<Written>): Promise<boolean>;
	compare(): void;
	keepMine(): void;
	takeTheirs(): void;
	back(): void;
	discard(): void;
	/** etcd has said what is there. */
	tell(seen: Seen): void;
	stop(): void;
}

/** That it is saved, and what has become of its time. */
function savedAs(now: Version | undefined): string {
	const seconds = now && left(now);
	if (now && now.lease !== '0') return 'Saved, on the same lease';
	return seconds === undefined ? 'Saved' : `Saved; its TTL goes on, ${duration(seconds)} left`;
}

const pauses = [250, 500, 1000, 2000, 3000];

export function open(store: Store): Editing {
	const edit = signal<Edit>(opening);
	const failure = signal<Failure | undefined>(undefined);
	const leaving = new AbortController();
	const done = signal('');
	let noted: ReturnType<typeof setTimeout> | undefined;
	const note = (text: string): void => {
		clearTimeout(noted);
		done.value = text;
		noted = setTimeout(() => (done.value = ''), 6000);
	};
	const draft = makeDraft((dirty) => send({ type: 'typed', dirty }));

	const send = (event: Event): void => {
		edit.value = next(edit.peek(), event);
	};
	const tell = (seen: Seen): void => {
		const { is } = edit.peek().stage;
		const late = (is === 'clean' || is === 'missing' || is === 'dirty' || is === 'changed') && landed(edit.peek(), seen.now);
		const same = (is === 'dirty' || is === 'changed') && seen.now !== undefined && seen.now.value === draft.bytes();
		send({ type: 'seen', ...seen, same });
		if (late) note('The answer was lost, but it was saved');
	};

	// The text follows what is there, unless it has been edited.
	let loaded: Version | undefined;
	const follow = effect(() => {
		const { stage } = edit.value;
		untracked(() => {
			if (stage.is === 'clean') {
				if (loaded === stage.base) return;
				const same = loaded?.value === stage.base.value && draft.bytes() === stage.base.value;
				loaded = stage.base;
				if (!same) draft.load(stage.base.value);
			} else if (stage.is === 'dirty') {
				loaded = stage.base;
				draft.rebase(stage.base.value);
			} else if (stage.is === 'missing') {
				loaded = undefined;
			}
		});
	});

	const stream = keep((opened) => store.follow(tell, opened));

	async function write(value: Bytes, how: Event & { type: 'save' | 'restore' } = { type: 'save', mine: value }): Promise<boolean> {
		for (let attempt = 0; ; attempt++) {
			send(how);
			const { stage } = edit.peek();
			if (stage.is !== 'saving') return stage.is === 'clean' && stage.base.value === value;
			failure.value = undefined;
			const { base } = stage;
			try {
				const written = await store.write(value, base);
				if (written.done) {
					send({ type: 'saved', now: written.now });
					note(savedAs(written.now));
					return true;
				}
				// With the same value it is only its lease or TTL that has changed (many keep those up). Or it is one's own write, whose answer was lost.
				if (written.now && (written.now.value === base?.value || landed(edit.peek(), written.now)) && attempt < 3) {
					send({ type: 'failed' });
					tell(written);
					continue;
				}
				send({ type: 'refused', mine: text(value), now: written.now, at: written.at });
				return current(edit.peek())?.value === value;
			} catch (thrown) {
				const why = asFailure(thrown);
				if (why.kind === 'unknown') {
					send({ type: 'lost' });
					return find(value);
				}
				failure.value = why;
				send({ type: 'failed' });
				return false;
			}
		}
	}

	/** What the user has by now, if they have typed on since it was sent. */
	function text(sent: Bytes): Bytes {
		const { stage } = edit.peek();
		return 'further' in stage && stage.further ? (draft.bytes() ?? sent) : sent;
	}

	/** The answer to a write is lost: looks what is there until etcd says. */
	async function find(value: Bytes): Promise<boolean> {
		for (let i = 0; ; i++) {
			if (leaving.signal.aborted) return false;
			if (edit.peek().stage.is !== 'unknown') break; // the watch has told
			try {
				const seen = await store.read(leaving.signal);
				send({ type: 'found', mine: text(value), ...seen });
				break;
			} catch (thrown) {
				if (leaving.signal.aborted) return false;
				failure.value = asFailure(thrown);
				await new Promise((done) => setTimeout(done, pauses[Math.min(i, pauses.length - 1)]));
			}
		}
		failure.value = undefined;
		const now = current(edit.peek());
		const written = now?.value === value;
		if (written) note('The answer was late, but it was saved');
		else if (edit.peek().stage.is !== 'conflict') say('It has not been saved so far', 'warn', 'The answer got lost, so etcd was asked again: what was there before is still there. If it is saved late, this page shows it. Save again when it works.');
		return written;
	}

	return {
		store,
		edit,
		draft,
		stream,
		failure,
		done,
		note,
		async save() {
			const { is } = edit.peek().stage;
			const value = draft.bytes();
			if ((is !== 'dirty' && is !== 'changed') || value === undefined) return;
			await write(value);
		},
		async overwrite() {
			const { stage } = edit.peek();
			if (stage.is === 'conflict') await write(stage.mine);
		},
		async restore(value, base) {
			draft.put(value);
			return write(value, { type: 'restore', mine: value, base });
		},
		async alter(change) {
			const base = current(edit.peek());
			if (!base) return false;
			const written = await change(base);
			tell(written.done ? { now: written.now, at: written.now.revision } : written);
			return written.done;
		},
		compare() {
			const value = draft.bytes();
			if (value !== undefined) send({ type: 'compare', mine: value });
		},
		keepMine: () => send({ type: 'keepMine' }),
		takeTheirs() {
			loaded = undefined;
			send({ type: 'takeTheirs' });
		},
		back: () => send({ type: 'back' }),
		discard() {
			loaded = undefined;
			send({ type: 'discard' });
		},
		tell,
		stop() {
			leaving.abort();
			clearTimeout(noted);
			follow();
			stream.stop();
		},
	};
}
