import { describe, expect, test } from 'vitest';
import type { Bytes } from '../../../api/bytes.ts';
import { current, type Edit, type Event, isEdited, next, opening, type Stage, type Version } from './edit.ts';

const b = (text: string): Bytes => text as Bytes;

function version(revision: number, value = `v${revision}`): Version {
	return { value: b(value), revision, created: 1, version: revision, lease: '0', deadline: undefined, dir: false };
}

const seen = (now: Version | undefined, at = now?.revision ?? 0): Event => ({ type: 'seen', now, at });
const after = (...events: Event[]): Edit => events.reduce(next, opening);
const stage = (...events: Event[]): Stage => after(...events).stage;

const one = version(1);
const two = version(2);
const three = version(3);
const clean = seen(one);
const dirty: Event = { type: 'typed', dirty: true };
const undone: Event = { type: 'typed', dirty: false };
const save: Event = { type: 'save', mine: b('mine') };
const mine = version(5, 'mine');
const saved: Event = { type: 'saved', now: mine };
const refused = (now: Version | undefined, at = now?.revision ?? 9): Event => ({ type: 'refused', mine: b('mine'), now, at });
const found = (now: Version | undefined, at = now?.revision ?? 9): Event => ({ type: 'found', mine: b('mine'), now, at });
const lost: Event = { type: 'lost' };
const failed: Event = { type: 'failed' };

describe('looking', () => {
	test('begins with nothing known', () => expect(stage()).toEqual({ is: 'opening' }));
	test('shows what is there', () => expect(stage(clean)).toEqual({ is: 'clean', base: one }));
	test('shows that nothing is there', () => expect(stage(seen(undefined, 4))).toEqual({ is: 'missing' }));
	test('follows changes', () => expect(stage(clean, seen(two))).toEqual({ is: 'clean', base: two }));
	test('follows a deletion', () => expect(stage(clean, seen(undefined, 2))).toEqual({ is: 'missing', last: 1 }));
	test('follows a key that comes', () => expect(stage(seen(undefined, 1), seen(two))).toEqual({ is: 'clean', base: two }));
	test('takes no older word for a newer one', () => expect(stage(seen(two), clean)).toEqual({ is: 'clean', base: two }));
});

describe('editing', () => {
	test('makes it dirty', () => expect(stage(clean, dirty)).toEqual({ is: 'dirty', base: one }));
	test('and back makes it clean', () => expect(stage(clean, dirty, undone)).toEqual({ is: 'clean', base: one }));
	test('of nothing is nothing', () => expect(stage(seen(undefined, 1), dirty)).toEqual({ is: 'missing' }));
	test('can be discarded', () => expect(stage(clean, dirty, { type: 'discard' })).toEqual({ is: 'clean', base: one }));
	test('is told of a change', () => expect(stage(clean, dirty, seen(two))).toEqual({ is: 'changed', base: one, theirs: two }));
	test('is told of a second change', () => expect(stage(clean, dirty, seen(two), seen(three))).toEqual({ is: 'changed', base: one, theirs: three }));
	test('is told of a deletion', () => expect(stage(clean, dirty, seen(undefined, 2))).toEqual({ is: 'changed', base: one, theirs: undefined }));
	test('goes on if the value was written anew', () => {
		const again = version(2, 'v1');
		expect(stage(clean, dirty, seen(again))).toEqual({ is: 'dirty', base: again });
	});
	test('goes on if the value comes back', () => {
		const back = version(3, 'v1');
		expect(stage(clean, dirty, seen(two), seen(back))).toEqual({ is: 'dirty', base: back });
	});
	test('is over if somebody writes the same', () => {
		expect(stage(clean, dirty, { type: 'seen', now: two, at: 2, same: true })).toEqual({ is: 'clean', base: two });
		expect(stage(clean, dirty, seen(two), { type: 'seen', now: three, at: 3, same: true })).toEqual({ is: 'clean', base: three });
	});
	test('theirs can be taken', () => {
		expect(stage(clean, dirty, seen(two), { type: 'takeTheirs' })).toEqual({ is: 'clean', base: two });
		expect(stage(clean, dirty, seen(undefined, 2), { type: 'takeTheirs' })).toEqual({ is: 'missing' });
		expect(stage(clean, dirty, seen(two), { type: 'discard' })).toEqual({ is: 'clean', base: two });
	});
	test('both can be seen, and the decision put off', () => {
		const compare: Event = { type: 'compare', mine: b('mine') };
		expect(stage(clean, dirty, seen(two), compare)).toMatchObject({ is: 'conflict', theirs: two, mine: 'mine' });
		expect(stage(clean, dirty, seen(two), compare, { type: 'back' })).toEqual({ is: 'changed', base: one, theirs: two });
		expect(stage(clean, dirty, seen(two), compare, seen(three), { type: 'back' })).toEqual({ is: 'changed', base: one, theirs: three });
	});
});

describe('saving', () => {
	test('is compared with what the text was made from', () => expect(stage(clean, dirty, save)).toMatchObject({ is: 'saving', base: one, mine: 'mine' }));
	test('is clean when done', () => expect(stage(clean, dirty, save, saved)).toEqual({ is: 'clean', base: mine }));
	test('is dirty when the user has typed on', () => expect(stage(clean, dirty, save, dirty, saved)).toEqual({ is: 'dirty', base: mine }));
	test('follows what came after it', () => expect(stage(clean, dirty, save, seen(version(6)), saved)).toEqual({ is: 'clean', base: version(6) }));
	test('knows its own write when the watch is quicker', () => expect(stage(clean, dirty, save, seen(mine), saved)).toEqual({ is: 'clean', base: mine }));
	test('asks when somebody was quicker', () => {
		expect(stage(clean, dirty, save, refused(two))).toMatchObject({ is: 'conflict', base: one, theirs: two, mine: 'mine' });
		expect(stage(clean, dirty, save, refused(undefined))).toMatchObject({ is: 'conflict', theirs: undefined });
	});
	test('is done if it was the same that they wrote', () => expect(stage(clean, dirty, save, refused(mine))).toEqual({ is: 'clean', base: mine }));
	test('is edited still when it has failed', () => {
		expect(stage(clean, dirty, save, failed)).toEqual({ is: 'dirty', base: one });
		expect(stage(clean, dirty, save, seen(two), failed)).toEqual({ is: 'changed', base: one, theirs: two });
	});
	test('over a change that was not looked at shows both first', () => expect(stage(clean, dirty, seen(two), save)).toMatchObject({ is: 'conflict', theirs: two, mine: 'mine' }));
	test('a deleted key makes it anew', () => expect(stage(clean, dirty, seen(undefined, 2), save)).toMatchObject({ is: 'saving', base: undefined }));
	test('an older value', () => {
		expect(stage(clean, save)).toMatchObject({ is: 'saving', base: one });
		expect(stage(clean, save, failed)).toEqual({ is: 'clean', base: one });
		expect(stage(clean, save, dirty, failed)).toEqual({ is: 'dirty', base: one });
		expect(stage(seen(undefined, 3), save)).toMatchObject({ is: 'saving', base: undefined });
	});
	test('is not done twice', () => {
		const saving = after(clean, dirty, save);
		expect(next(saving, { type: 'save', mine: b('other') })).toEqual(saving);
	});
	test('answers that nobody waits for change nothing', () => {
		for (const event of [saved, refused(two), failed, lost, found(two)]) expect(stage(clean, dirty, event)).toEqual({ is: 'dirty', base: one });
	});
});

describe('a lost answer', () => {
	const unknown = [clean, dirty, save, lost] as const;
	test('is unknown', () => expect(stage(...unknown)).toMatchObject({ is: 'unknown', base: one, mine: 'mine' }));
	test('it was written', () => expect(stage(...unknown, found(mine))).toEqual({ is: 'clean', base: mine }));
	test('it was written, and the user has typed on', () => expect(stage(...unknown, dirty, found(mine))).toEqual({ is: 'dirty', base: mine }));
	test('it was not so far', () => expect(stage(...unknown, found(one, 7))).toEqual({ is: 'dirty', base: one }));
	test('it is written later', () => {
		const late = [...unknown, found(one, 7)] as const;
		const own = version(8, 'mine');
		// The user has typed on: that goes on from it.
		expect(after(...late, seen(own))).toEqual({ at: 8, stage: { is: 'dirty', base: own } });
		expect(stage(...late, { type: 'seen', now: own, at: 8, same: true })).toEqual({ is: 'clean', base: own });
		expect(stage(...late, seen(one, 7), seen(own))).toEqual({ is: 'dirty', base: own });
		// Of two such writes, either.
		const again: Event = { type: 'save', mine: b('again') };
		const two = [...late, again, lost, { type: 'found', mine: b('again'), now: one, at: 7 } as Event] as const;
		expect(stage(...two, seen(own))).toEqual({ is: 'dirty', base: own });
		expect(stage(...two, seen(version(8, 'again')))).toEqual({ is: 'dirty', base: version(8, 'again') });
		expect(stage(...late, again, lost, { type: 'found', mine: b('again'), now: own, at: 8 })).toEqual({ is: 'dirty', base: own });
	});
	test('it is not written later once somebody else was quicker', () => {
		const own = version(9, 'mine');
		expect(after(...unknown, found(one, 7), seen(version(8))).late).toBeUndefined();
		expect(stage(...unknown, found(one, 7), seen(version(8)), seen(own))).toEqual({ is: 'changed', base: one, theirs: own });
		expect(stage(...unknown, found(one, 7), seen({ ...own, created: 9 }))).toMatchObject({ is: 'changed' });
	});
	test('somebody else has written', () => expect(stage(...unknown, found(two))).toMatchObject({ is: 'conflict', base: one, theirs: two }));
	test('somebody has deleted it', () => expect(stage(...unknown, found(undefined))).toMatchObject({ is: 'conflict', theirs: undefined }));
	test('the same value at the same revision is not a write', () => {
		const same: Event = { type: 'save', mine: one.value };
		expect(stage(clean, same, lost, found(one, 7))).toEqual({ is: 'clean', base: one });
	});
	test('the watch may tell first', () => {
		expect(stage(...unknown, seen(mine))).toEqual({ is: 'clean', base: mine });
		expect(stage(...unknown, seen(two))).toMatchObject({ is: 'unknown', seen: { now: two } });
	});
	test('of a new key', () => {
		expect(stage(seen(undefined, 3), save, lost, found(mine))).toEqual({ is: 'clean', base: mine });
		expect(stage(seen(undefined, 3), save, lost, found(undefined))).toEqual({ is: 'missing' });
	});
});

describe('a conflict', () => {
	const conflict = [clean, dirty, save, refused(two)] as const;
	test('mine goes on, on top of theirs', () => expect(stage(...conflict, { type: 'keepMine' })).toEqual({ is: 'dirty', base: two }));
	test('mine goes on, and they have changed it again', () => expect(stage(...conflict, seen(three), { type: 'keepMine' })).toEqual({ is: 'changed', base: two, theirs: three }));
	test('theirs is taken, the newest', () => {
		expect(stage(...conflict, { type: 'takeTheirs' })).toEqual({ is: 'clean', base: two });
		expect(stage(...conflict, seen(three), { type: 'takeTheirs' })).toEqual({ is: 'clean', base: three });
		expect(stage(...conflict, seen(undefined, 4), { type: 'takeTheirs' })).toEqual({ is: 'missing' });
	});
	test('mine is written over theirs, compared with what was shown', () => {
		expect(stage(...conflict, save)).toMatchObject({ is: 'saving', base: two });
		expect(stage(...conflict, seen(three), save)).toMatchObject({ is: 'saving', base: two });
		expect(stage(...conflict, seen(version(3, 'v2')), save)).toMatchObject({ is: 'saving', base: version(3, 'v2') });
	});
	test('and they were quicker again', () => expect(stage(...conflict, save, refused(three))).toMatchObject({ is: 'conflict', base: two, theirs: three }));
	test('a failure leaves it open', () => expect(stage(...conflict, save, failed)).toMatchObject({ is: 'conflict', theirs: two }));
	test('a deleted key can be made again, or let go', () => {
		const gone = [clean, dirty, save, refused(undefined)] as const;
		expect(stage(...gone, save)).toMatchObject({ is: 'saving', base: undefined });
		expect(stage(...gone, { type: 'takeTheirs' })).toEqual({ is: 'missing' });
		expect(stage(...gone, { type: 'keepMine' })).toEqual({ is: 'changed', base: undefined, theirs: undefined });
		expect(stage(...gone, { type: 'back' })).toEqual({ is: 'changed', base: one, theirs: undefined });
	});
});

test('what would be lost', () => {
	expect(isEdited(after(clean))).toBe(false);
	expect(isEdited(after(seen(undefined, 1)))).toBe(false);
	for (const events of [[dirty], [dirty, seen(two)], [dirty, save], [dirty, save, lost], [dirty, save, refused(two)]]) expect(isEdited(after(clean, ...events))).toBe(true);
	expect(isEdited(after(clean, dirty, save, saved))).toBe(false);
});

test('what is there', () => {
	expect(current(after())).toBeUndefined();
	expect(current(after(clean, dirty))).toEqual(one);
	expect(current(after(clean, dirty, seen(two)))).toEqual(two);
	expect(current(after(clean, dirty, save, seen(two)))).toEqual(two);
	expect(current(after(clean, dirty, save, refused(two), seen(three)))).toEqual(three);
});
