// The states of a key that is looked at and edited, and what takes one to the other. It is
// told what etcd says and what the user does; it knows neither of them.

import type { Bytes } from '../../../api/bytes.ts';

/** A key as it was at some moment. */
export interface Version {
	value: Bytes;
	/** v3's mod revision, v2's modified index: what a write is compared with. */
	revision: number;
	created: number;
	/** v3: how often it has been written since it was created; 0 in v2. */
	version: number;
	/** v3: its lease's ID in decimal digits, '0' without. */
	lease: string;
	/** v2: when its time is over, in milliseconds by performance.now(): a clock that nobody sets. */
	deadline: number | undefined;
	/** v2: it is a directory. */
	dir: boolean;
}

/** What is there (or that nothing is) as of a revision. */
export interface Seen {
	readonly now: Version | undefined;
	readonly at: number;
}

/** A write on its way, or whose answer is lost. */
interface Sent {
	/** What was there before it was sent, to return to if it was not written. */
	readonly before: Still;
	/** What it is compared with; undefined: it is to be new. */
	readonly base: Version | undefined;
	readonly mine: Bytes;
	/** The user has typed on since. */
	readonly further: boolean;
	/** What etcd has told since. */
	readonly seen: Seen | undefined;
}

type Still =
	/** Not there; last is the revision that it had when the page saw it last, if it has. */
	| { readonly is: 'missing'; readonly last?: number | undefined }
	| { readonly is: 'clean'; readonly base: Version }
	/** Edited. */
	| { readonly is: 'dirty'; readonly base: Version }
	/** Edited, and meanwhile somebody has changed it, or (without theirs) deleted it. */
	| { readonly is: 'changed'; readonly base: Version | undefined; readonly theirs: Version | undefined }
	/** Both are shown, and the user is asked. */
	| { readonly is: 'conflict'; readonly base: Version | undefined; readonly mine: Bytes; readonly theirs: Version | undefined; readonly seen: Seen | undefined };

export type Stage = { readonly is: 'opening' } | Still | ({ readonly is: 'saving' } & Sent) | ({ readonly is: 'unknown' } & Sent);

/** A write whose answer is lost, and that had not been done when etcd was asked: it may still be. */
interface Late {
	readonly base: Version | undefined;
	readonly mine: Bytes;
}

export interface Edit {
	/** The newest revision that it was told of. */
	readonly at: number;
	readonly stage: Stage;
	readonly late?: readonly Late[];
}

export type Event =
	/** etcd says what is there. Same: it is what the user's text says as well. */
	| ({ readonly type: 'seen'; readonly same?: boolean } & Seen)
	/** The user has edited; whether the text now differs from what it was made from. */
	| { readonly type: 'typed'; readonly dirty: boolean }
	| { readonly type: 'save'; readonly mine: Bytes }
	/** A value that it once had is to be written over base alone: that is what the user was asked about. */
	| { readonly type: 'restore'; readonly mine: Bytes; readonly base: Version | undefined }
	| { readonly type: 'saved'; readonly now: Version }
	/** It was not as expected, and nothing was written. */
	| ({ readonly type: 'refused'; readonly mine: Bytes } & Seen)
	/** Nothing was written, for another reason. */
	| { readonly type: 'failed' }
	| { readonly type: 'lost' }
	/** After a lost answer: what is there. */
	| ({ readonly type: 'found'; readonly mine: Bytes } & Seen)
	| { readonly type: 'compare'; readonly mine: Bytes }
	| { readonly type: 'keepMine' }
	| { readonly type: 'takeTheirs' }
	| { readonly type: 'back' }
	| { readonly type: 'discard' };

export const opening: Edit = { at: 0, stage: { is: 'opening' } };

export function next(edit: Edit, event: Event): Edit {
	const { at, stage } = step(edit, event);
	const late = stillLate(edit, event);
	return late.length > 0 ? { at, stage, late } : { at, stage };
}

function step(edit: Edit, event: Event): Edit {
	const { stage } = edit;
	switch (event.type) {
		case 'seen':
			if (event.at < edit.at) return edit;
			return { at: event.at, stage: seen(landed(edit, event.now) ? over(stage, event.now) : stage, event, event.same ?? false) };
		case 'typed':
			return { ...edit, stage: typed(stage, event.dirty) };
		case 'save':
			return { ...edit, stage: save(stage, event.mine) };
		case 'restore':
			return { ...edit, stage: restore(stage, event.mine, event.base) };
		case 'saved':
			return stage.is === 'saving' || stage.is === 'unknown' ? { at: Math.max(edit.at, event.now.revision), stage: saved(stage, event.now) } : edit;
		case 'refused':
			return stage.is === 'saving' ? { at: Math.max(edit.at, event.at), stage: refused(stage, event, event.mine) } : edit;
		case 'failed':
			return stage.is === 'saving' ? { ...edit, stage: failed(stage) } : edit;
		case 'lost':
			return stage.is === 'saving' ? { ...edit, stage: { ...stage, is: 'unknown' } } : edit;
		case 'found':
			if (stage.is !== 'unknown') return edit;
			return { at: Math.max(edit.at, event.at), stage: landed(edit, event.now) && event.now.value !== stage.mine ? over(failed({ ...stage, seen: undefined }), event.now) : found(stage, event, event.mine) };
		case 'compare':
			return stage.is === 'changed' ? { ...edit, stage: { ...stage, is: 'conflict', mine: event.mine, seen: undefined } } : edit;
		case 'keepMine':
			// It goes on from theirs. If that is gone, saving makes it anew.
			if (stage.is !== 'conflict') return edit;
			return { ...edit, stage: then(stage.theirs ? { is: 'dirty', base: stage.theirs } : { is: 'changed', base: undefined, theirs: undefined }, stage.seen) };
		case 'takeTheirs':
			if (stage.is === 'conflict') return { ...edit, stage: settled(stage.seen ? stage.seen.now : stage.theirs) };
			return stage.is === 'changed' ? { ...edit, stage: settled(stage.theirs) } : edit;
		case 'back':
			return stage.is === 'conflict' ? { ...edit, stage: then({ is: 'changed', base: stage.base, theirs: stage.theirs }, stage.seen) } : edit;
		case 'discard':
			if (stage.is === 'dirty') return { ...edit, stage: settled(stage.base) };
			return stage.is === 'changed' ? { ...edit, stage: settled(stage.theirs) } : edit;
	}
}

function settled(now: Version | undefined): Still {
	return now ? { is: 'clean', base: now } : { is: 'missing' };
}

/** Whether it is the user's own write, whose answer was lost before it was done. */
export function landed({ late = [] }: Edit, now: Version | undefined): now is Version {
	return now !== undefined && late.some(({ base, mine }) => now.value === mine && (base ? now.created === base.created && now.revision > base.revision : now.created === now.revision));
}

/** Which of the lost writes may still be done: they are compared with what was there. */
function stillLate({ at, stage, late = [] }: Edit, event: Event): readonly Late[] {
	switch (event.type) {
		case 'found':
			if (stage.is === 'unknown' && event.now?.revision === stage.base?.revision) return [...late, { base: stage.base, mine: stage.mine }];
			return late.filter(({ base }) => base?.revision === event.now?.revision);
		case 'seen':
			// While another write is on its way, its answer tells.
			if (event.at < at || stage.is === 'saving' || stage.is === 'unknown') return late;
			return late.filter(({ base }) => base?.revision === event.now?.revision);
		case 'saved':
		case 'refused':
			return late.filter(({ base }) => base?.revision === event.now?.revision);
		default:
			return late;
	}
}

/** The user's text goes on from what they had written. */
function over(stage: Stage, own: Version): Stage {
	return stage.is === 'dirty' || stage.is === 'changed' ? { is: 'dirty', base: own } : stage;
}

function then<S extends Stage>(stage: S, later: Seen | undefined): Stage {
	return later ? seen(stage, later, false) : stage;
}

function seen(stage: Stage, { now, at }: Seen, same: boolean): Stage {
	switch (stage.is) {
		case 'opening':
			return settled(now);
		case 'missing':
			return now ? settled(now) : stage;
		case 'clean':
			return now ? settled(now) : { is: 'missing', last: stage.base.revision };
		case 'dirty':
		case 'changed':
			if (now && same) return settled(now);
			// Written anew with the same value: its lease, say. What the text was made from is still there.
			if (now && now.value === stage.base?.value && !now.dir) return { is: 'dirty', base: now };
			return { is: 'changed', base: stage.base, theirs: now };
		case 'unknown': {
			const own = ownIn(stage, now);
			return own ? saved(stage, own) : { ...stage, seen: { now, at } };
		}
		case 'saving':
		case 'conflict':
			return { ...stage, seen: { now, at } };
	}
}

function typed(stage: Stage, dirty: boolean): Stage {
	switch (stage.is) {
		case 'clean':
			return dirty ? { is: 'dirty', base: stage.base } : stage;
		case 'dirty':
			return dirty ? stage : { is: 'clean', base: stage.base };
		case 'saving':
		case 'unknown':
			return { ...stage, further: true };
		default:
			return stage;
	}
}

function save(stage: Stage, mine: Bytes): Stage {
	const sent = { is: 'saving', mine, further: false, seen: undefined } as const;
	switch (stage.is) {
		case 'missing':
			return { ...sent, before: stage, base: undefined };
		case 'clean':
		case 'dirty':
			return { ...sent, before: stage, base: stage.base };
		case 'conflict':
			// If theirs has only been written anew since, it is still what was shown.
			return { ...sent, before: stage, base: stage.theirs && stage.seen?.now?.value === stage.theirs.value ? stage.seen.now : stage.theirs, seen: stage.seen };
		case 'changed':
			// Over what the user has not looked at, nothing is written. Nobody's can be looked at.
			return stage.theirs ? { ...stage, is: 'conflict', mine, seen: undefined } : { ...sent, before: stage, base: undefined };
		default:
			return stage;
	}
}

function restore(stage: Stage, mine: Bytes, base: Version | undefined): Stage {
	if (stage.is !== 'clean' && stage.is !== 'missing' && stage.is !== 'dirty') return stage;
	const now = stage.is === 'missing' ? undefined : stage.base;
	if (now?.revision === base?.revision) return save(stage, mine);
	return now?.value === mine ? settled(now) : { is: 'conflict', base, mine, theirs: now, seen: undefined };
}

/** What is there, if it is what was sent. */
function ownIn(sent: Sent, now: Version | undefined): Version | undefined {
	return now && now.value === sent.mine && now.revision !== sent.base?.revision ? now : undefined;
}

function saved(sent: Sent, now: Version): Stage {
	const later = sent.seen && sent.seen.at > now.revision ? sent.seen : undefined;
	return then(sent.further ? { is: 'dirty', base: now } : settled(now), later);
}

function refused(sent: Sent, { now, at }: Seen, mine: Bytes): Stage {
	// Somebody has written the very same.
	const own = ownIn(sent, now);
	if (own) return saved(sent, own);
	const later = sent.seen && sent.seen.at > at ? sent.seen : undefined;
	return { is: 'conflict', base: sent.base, mine, theirs: now, seen: later };
}

function failed(sent: Sent): Stage {
	const { before } = sent;
	return then(before.is === 'clean' && sent.further ? { is: 'dirty', base: before.base } : before, sent.seen);
}

function found(sent: Sent, { now, at }: Seen, mine: Bytes): Stage {
	const own = ownIn(sent, now);
	if (own) return saved(sent, own);
	if (now?.revision === sent.base?.revision) return failed({ ...sent, seen: undefined });
	return refused({ ...sent, seen: undefined }, { now, at }, mine);
}

/** Whether there is text that would be lost. */
export function isEdited({ stage }: Edit): boolean {
	switch (stage.is) {
		case 'dirty':
		case 'changed':
		case 'conflict':
		case 'saving':
		case 'unknown':
			return true;
		default:
			return false;
	}
}

/** What is there now, as far as is known. */
export function current({ stage }: Edit): Version | undefined {
	switch (stage.is) {
		case 'clean':
		case 'dirty':
			return stage.base;
		case 'changed':
			return stage.theirs;
		case 'conflict':
			return stage.seen ? stage.seen.now : stage.theirs;
		case 'saving':
		case 'unknown':
			return stage.seen ? stage.seen.now : stage.base;
		default:
			return undefined;
	}
}
