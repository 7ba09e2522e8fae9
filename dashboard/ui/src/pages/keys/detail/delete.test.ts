// @vitest-environment happy-dom
import { beforeEach, expect, test, vi } from 'vitest';
import type { Bytes } from '../../../api/bytes.ts';
import { Failure } from '../../../api/failure.ts';
import { confirm, type Question } from '../../../ui/dialog.tsx';
import { deleteKey } from './delete.ts';
import type { Seen, Version } from './edit.ts';
import type { Removed } from './store.ts';

vi.mock('../../../ui/dialog.tsx', () => ({ confirm: vi.fn(), say: vi.fn() }));

const version = (revision: number): Version => ({ value: `v${revision}` as Bytes, revision, created: 1, version: revision, lease: '0', deadline: undefined, dir: false });

let now: Version | undefined;
let at = 1;
/** The answer to a deletion is lost: before it was done, or after. */
let lost: 'before' | 'after' | undefined;
const store = {
	space: 'v3' as const,
	name: '/key' as Bytes,
	read: vi.fn(async (): Promise<Seen> => ({ now, at })),
	remove: vi.fn(async ({ revision }: { revision: number }): Promise<Removed> => {
		if (lost === 'before') throw new Failure('unknown', 'lost');
		if (now?.revision !== revision) return { done: false, now, at };
		now = undefined;
		if (lost) throw new Failure('unknown', 'lost');
		return { done: true, at: ++at };
	}),
};
const titles: string[] = [];

/** The user says yes to the first questions, after what happens meanwhile; and no to the next. Failures are shown in the dialog: here they are thrown. */
function says(...meanwhile: (() => void)[]): void {
	vi.mocked(confirm).mockImplementation(async ({ title, run }: Question) => {
		titles.push(title);
		const before = meanwhile.shift();
		if (!before) return false;
		before();
		await run?.();
		return true;
	});
}

beforeEach(() => {
	now = version(3);
	at = 3;
	lost = undefined;
	titles.length = 0;
	vi.clearAllMocks();
});
const nothing = (): void => undefined;

test('it is deleted', async () => {
	says(nothing);
	const told = vi.fn();
	expect(await deleteKey(store, { revision: 3 }, told)).toBe(true);
	expect(now).toBeUndefined();
	expect(told).toHaveBeenCalledExactlyOnceWith({ now: undefined, at: 4 }, true);
});

test('what was written while the user was asked stays until they have been asked again', async () => {
	const base = { revision: 3 };
	says(() => {
		now = version(4);
		base.revision = 4; // as a row of the table, which the watch keeps up to date
	});
	expect(await deleteKey(store, base)).toBe(false);
	expect(now).toEqual(version(4));
	expect(titles).toEqual(['Delete this key?', 'It has been changed meanwhile. Delete it all the same?']);

	titles.length = 0;
	says(nothing, nothing);
	expect(await deleteKey(store, { revision: 3 })).toBe(true);
	expect(now).toBeUndefined();
	expect(titles).toHaveLength(2);
});

test('somebody else has deleted it', async () => {
	says(() => (now = undefined));
	const told = vi.fn();
	expect(await deleteKey(store, { revision: 3 }, told)).toBe(true);
	expect(told).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ now: undefined, at: 3 }), false);
	expect(titles).toHaveLength(1);
});

test('after a lost answer, it is looked what has become of it', async () => {
	lost = 'after';
	says(nothing);
	expect(await deleteKey(store, { revision: 3 })).toBe(true);

	now = version(3);
	lost = 'before';
	says(nothing);
	await expect(deleteKey(store, { revision: 3 })).rejects.toMatchObject({ kind: 'unknown', message: expect.stringContaining('the key is still there') });

	// Somebody has written it meanwhile: that is not deleted without a word.
	titles.length = 0;
	says(() => (now = version(5)));
	expect(await deleteKey(store, { revision: 3 })).toBe(false);
	expect(now).toEqual(version(5));
	expect(titles).toHaveLength(2);
});

test('what it means is said, where it is known', async () => {
	says();
	await deleteKey({ ...store, name: '/_etcd/mod/lock/jobs/1' as Bytes }, { revision: 3 });
	expect(vi.mocked(confirm).mock.calls[0]?.[0].body).toContain('It is an entry of a lock');
});
