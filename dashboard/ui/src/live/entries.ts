// What is in a folder: keys and folders, in the order of their bytes.

import type { Bytes } from '../api/bytes.ts';

/** What is shown of a value where there is one line for it. */
export interface Preview {
	text: string;
	/** Of the whole value, in bytes. */
	size: number;
	/** It is not text. */
	binary: boolean;
}

export interface KeyEntry {
	readonly folder: false;
	readonly key: Bytes;
	/** When it was last written: v3's modified revision, v2's modified index. */
	modified: number;
	/** When it was made. */
	created: number;
	/** How often it has been written (v3); 0 in v2. */
	version: number;
	/** Its lease, in decimal digits (v3); '0' without. */
	lease: string;
	/** When its time is over, by this machine's clock (v2). */
	deadline: number | undefined;
	/** How often that was over, and its owner had refreshed it, since it was last written (v2). */
	kept: number;
	/** Until its preview has been made of it. */
	value: Bytes | undefined;
	/** 'large' if the value is too long to be fetched for a preview. */
	preview: Preview | 'large' | undefined;
	/** It has changed while it was shown. */
	fresh: boolean;
}

export interface FolderEntry {
	readonly folder: true;
	/** With the slash at its end. */
	readonly key: Bytes;
	/** A key that is known to be in there (v3): while it stands, the folder does. */
	witness: Bytes;
	/** When a key was last made or deleted in there, as far as this page has seen. */
	touched: number;
	/** How many keys it has (v3), if that has been asked for, and as of which revision that was. */
	count: number | undefined;
	counted: number;
	/** When its time is over (v2). */
	deadline: number | undefined;
	/** How often that was over, and it had been refreshed. */
	kept: number;
	/** Its index (v2). */
	modified: number;
}

export type Entry = KeyEntry | FolderEntry;

/** The index of the first entry that does not come before this key. */
export function position(entries: readonly Entry[], key: Bytes): number {
	let low = 0;
	let high = entries.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		const entry = entries[middle];
		if (entry && entry.key < key) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** The index of the entry with this key, or -1. */
export function indexOf(entries: readonly Entry[], key: Bytes): number {
	const index = position(entries, key);
	return entries[index]?.key === key ? index : -1;
}

export function find(entries: readonly Entry[], key: Bytes): Entry | undefined {
	return entries[indexOf(entries, key)];
}

export function put(entries: Entry[], entry: Entry): void {
	const index = position(entries, entry.key);
	entries.splice(index, entries[index]?.key === entry.key ? 1 : 0, entry);
}

export function drop(entries: Entry[], key: Bytes): boolean {
	const index = indexOf(entries, key);
	if (index >= 0) entries.splice(index, 1);
	return index >= 0;
}
