// @vitest-environment happy-dom
import { signal } from '@preact/signals';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { signIn, signOut } from '../../../api/session.ts';
import { fromText } from '../../../api/bytes.ts';
import { type Edit, next, opening } from './edit.ts';
import type { Editing } from './editing.ts';
import { openForReader } from './reader.ts';

let edit = signal<Edit>(opening);
let opened: number;
let stopped: number;
let hidden: string | undefined;
let stop: () => void;

beforeEach(() => {
	vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ token: 'token' })));
	[opened, stopped] = [0, 0];
	const open = (): Editing => {
		opened++;
		edit = signal<Edit>(opening);
		return { edit, stop: () => stopped++ } as unknown as Editing;
	};
	stop = openForReader(open, (_, h) => (hidden = h));
});
afterEach(() => {
	stop();
	signOut();
	expect(stopped).toBe(opened);
	vi.unstubAllGlobals();
});

function type(): void {
	const now = { value: fromText('secret'), revision: 3, created: 3, version: 1, lease: '0', deadline: undefined, dir: false };
	edit.value = next(next(edit.value, { type: 'seen', now, at: 3 }), { type: 'typed', dirty: true });
}

test('a key that is looked at is opened anew for each', async () => {
	await signIn('alice', 'x');
	expect(opened).toBe(2);
	signOut();
	expect(opened).toBe(3);
	await signIn('bob', 'x');
	expect([opened, stopped, hidden]).toEqual([4, 3, undefined]);
});

test('edited text waits for its user, unseen', async () => {
	await signIn('alice', 'x');
	type();
	signOut();
	expect([opened, hidden]).toEqual([2, 'alice']);
	await signIn('alice', 'y');
	expect([opened, hidden]).toEqual([2, undefined]);
	signOut();
	await signIn('bob', 'x');
	expect([opened, hidden]).toEqual([3, undefined]);
	type();
	await signIn('alice', 'x');
	expect([opened, hidden]).toEqual([4, undefined]);
});

test('what nobody has edited goes to who signs in, to save it', async () => {
	type();
	await signIn('alice', 'x');
	expect([opened, hidden]).toEqual([1, undefined]);
	signOut();
	expect(hidden).toBe('alice');
});
