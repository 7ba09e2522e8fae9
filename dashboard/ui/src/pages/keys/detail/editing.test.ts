// @vitest-environment happy-dom
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Bytes } from '../../../api/bytes.ts';
import { Failure } from '../../../api/failure.ts';
import { say } from '../../../ui/dialog.tsx';
import type { Seen, Version } from './edit.ts';
import { type Editing, open } from './editing.ts';
import type { Store, Written } from './store.ts';

vi.mock('../../../ui/dialog.tsx', () => ({ say: vi.fn() }));

const b = (text: string): Bytes => text as Bytes;

/** A key in an etcd that is but a list of its versions. */
class Key implements Store {
	readonly space = 'v3';
	readonly name = b('/key');
	at = 0;
	now: Version | undefined;
	/** What becomes of the next write: its answer, or that of a write that etcd has not done yet. */
	lose: 'done' | 'not yet' | undefined;
	late: { value: Bytes; base: Version | undefined } | undefined;
	#tell: ((seen: Seen) => void) | undefined;

	put(value: string): Version {
		const revision = ++this.at;
		this.now = { value: b(value), revision, created: this.now?.created ?? revision, version: (this.now?.version ?? 0) + 1, lease: '0', deadline: undefined, dir: false };
		this.#tell?.({ now: this.now, at: revision });
		return this.now;
	}
	delete(): void {
		this.now = undefined;
		this.#tell?.({ now: undefined, at: ++this.at });
	}
	/** The write that was on its way comes to etcd. */
	land(): void {
		const { late } = this;
		this.late = undefined;
		if (late && this.now?.revision === late.base?.revision) this.put(late.value);
	}

	async read(): Promise<Seen> {
		return { now: this.now, at: this.at };
	}
	async follow(tell: (seen: Seen) => void, { live, signal }: Parameters<Store['follow']>[1]): Promise<void> {
		this.#tell = tell;
		tell({ now: this.now, at: this.at });
		live();
		await new Promise((done) => signal.addEventListener('abort', done));
	}
	write: Store['write'] = vi.fn(async (value: Bytes, base: Version | undefined): Promise<Written> => {
		const { lose } = this;
		this.lose = undefined;
		if (lose === 'not yet') this.late = { value, base };
		else if (this.now?.revision !== base?.revision) return { done: false, now: this.now, at: this.at };
		else this.put(value);
		if (lose) throw new Failure('unknown', 'lost');
		return { done: true, now: this.now as Version };
	});
	async remove(): Promise<never> {
		throw new Error('nobody deletes here');
	}
}

let editing: Editing | undefined;
afterEach(() => {
	editing?.stop();
	vi.clearAllMocks();
});

async function opened(key: Key): Promise<Editing> {
	editing = open(key);
	await vi.waitFor(() => expect(editing?.edit.value.stage.is).not.toBe('opening'));
	return editing;
}

describe('restoring an older value', () => {
	test('writes it over what the user was asked about', async () => {
		const key = new Key();
		const base = key.put('now');
		const { restore, edit } = await opened(key);
		expect(await restore(b('old'), base)).toBe(true);
		expect(key.now?.value).toBe('old');
		expect(edit.value.stage.is).toBe('clean');
	});

	test('writes nothing if somebody has changed it while the user was asked', async () => {
		const key = new Key();
		const base = key.put('now');
		const { restore, edit } = await opened(key);
		const theirs = key.put('theirs');
		expect(await restore(b('old'), base)).toBe(false);
		expect(key.now).toBe(theirs);
		expect(edit.value.stage).toMatchObject({ is: 'conflict', mine: 'old', theirs });
		expect(key.write).not.toHaveBeenCalled();
	});

	test('writes nothing if only its lease is another', async () => {
		const key = new Key();
		const base = key.put('now');
		const { restore, edit } = await opened(key);
		const theirs = key.put('now');
		expect(await restore(b('old'), base)).toBe(false);
		expect(key.now).toBe(theirs);
		expect(edit.value.stage).toMatchObject({ is: 'conflict', theirs });
	});

	test('writes nothing if it has been deleted, or is there again', async () => {
		const key = new Key();
		const base = key.put('now');
		const { restore, edit, takeTheirs } = await opened(key);
		key.delete();
		expect(await restore(b('old'), base)).toBe(false);
		expect(key.now).toBeUndefined();
		expect(edit.value.stage).toMatchObject({ is: 'conflict', theirs: undefined });
		takeTheirs();
		const theirs = key.put('theirs');
		expect(await restore(b('old'), undefined)).toBe(false);
		expect(key.now).toBe(theirs);
	});

	test('is done if somebody has restored the same', async () => {
		const key = new Key();
		const base = key.put('now');
		const { restore, edit } = await opened(key);
		const theirs = key.put('old');
		expect(await restore(b('old'), base)).toBe(true);
		expect(key.now).toBe(theirs);
		expect(edit.value.stage.is).toBe('clean');
	});
});

describe('a save whose answer is lost', () => {
	const lost = async (key: Key): Promise<Editing> => {
		key.put('one');
		const editing = await opened(key);
		editing.draft.put(b('two'));
		key.lose = 'not yet';
		await editing.save();
		expect(editing.edit.value.stage.is).toBe('dirty');
		expect(vi.mocked(say)).toHaveBeenCalledExactlyOnceWith('It has not been saved so far', 'warn', expect.anything());
		return editing;
	};

	test('is shown as saved when it comes to etcd later', async () => {
		const key = new Key();
		const { edit, done } = await lost(key);
		key.land();
		expect(edit.value.stage).toMatchObject({ is: 'clean', base: { value: 'two' } });
		expect(done.value).toContain('it was saved');
	});

	test('is no change by somebody else, when the user has typed on', async () => {
		const key = new Key();
		const { edit, draft, save } = await lost(key);
		draft.put(b('three'));
		key.land();
		expect(edit.value.stage).toMatchObject({ is: 'dirty', base: { value: 'two' } });
		await save();
		expect(key.now?.value).toBe('three');
	});

	test('may come right before the next save', async () => {
		const key = new Key();
		const { edit, draft, save } = await lost(key);
		draft.put(b('three'));
		vi.mocked(key.write).mockImplementationOnce(async () => {
			key.land();
			return { done: false, now: key.now, at: key.at };
		});
		await save();
		expect(key.now?.value).toBe('three');
		expect(edit.value.stage.is).toBe('clean');
	});

	test('is not taken for what somebody else has written', async () => {
		const key = new Key();
		const { edit, draft } = await lost(key);
		draft.put(b('three'));
		key.put('theirs');
		key.land();
		expect(edit.value.stage).toMatchObject({ is: 'changed', theirs: { value: 'theirs' } });
	});
});
