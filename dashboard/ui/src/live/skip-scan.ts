// Reads what is in a folder of v3's flat key space: keys a page at a time, each folder by
// its first key; what else is in there is skipped.

import { type Bytes, prefixEnd, successor } from '../api/bytes.ts';
import { TooLong } from '../api/http.ts';
import { type KeyValue, range, type Range, type RangeOptions } from '../api/v3.ts';
import { subfolder } from '../api/folders.ts';
import type { Entry, FolderEntry, KeyEntry } from './entries.ts';

export interface Page {
	found: Entry[];
	revision: number;
	/** How many keys there are from the page's first one on, those in folders too. */
	count: number;
	/** How many rows may come after these, if it goes on like this. */
	rest: number;
}

const aim = 300 * 1024;
const most = 512 * 1024; // when a longer answer is given up, as much again may be on its way
const largest = 3000; // etcd counts the whole range each time: many small pages are dear
const smallest = 20;

export class SkipScan {
	/** What comes before this key has been read. */
	at: Bytes;
	done = false;
	readonly #prefix: Bytes;
	readonly #fetch: typeof range;
	#limit = 200;

	constructor(prefix: Bytes, fetch: typeof range = range) {
		this.#prefix = prefix;
		this.#fetch = fetch;
		this.at = prefix;
	}

	/** Reads on, as of a revision, or of now. */
	async next(revision: number, signal?: AbortSignal): Promise<Page> {
		const answer = await this.#page(revision, signal);
		const found: Entry[] = [];
		let last: Bytes | undefined;
		let within = 0; // keys of the page that are in its last folder
		for (const kv of answer.kvs) {
			if (last !== undefined && kv.key.startsWith(last)) {
				within++;
				continue;
			}
			within = 0;
			last = subfolder(this.#prefix, kv.key);
			found.push(last === undefined ? keyEntry(kv) : folderEntry(last, kv));
		}
		const end = answer.kvs.at(-1);
		if (!answer.more || !end) {
			this.done = true;
		} else {
			this.at = last === undefined ? successor(end.key) : prefixEnd(last);
		}
		const keys = Math.max(1, answer.kvs.length);
		const fitting = Math.max(1, Math.floor((aim * keys) / Math.max(1, answer.bytes)));
		this.#limit = Math.min(fitting, largest, within > keys / 2 ? Math.max(smallest, this.#limit >> 2) : this.#limit * 2);
		const rest = this.done ? 0 : Math.max(1, Math.round(((answer.count - keys) * found.length) / keys));
		return { found, revision: answer.revision, count: answer.count, rest };
	}

	async #page(revision: number, signal?: AbortSignal): Promise<Range> {
		for (;;) {
			const options: RangeOptions = { key: this.at, end: prefixEnd(this.#prefix), limit: this.#limit, keysOnly: true, revision };
			try {
				// A key alone may be longer than that.
				return await this.#fetch(this.#limit > 1 ? { ...options, maxBytes: most } : options, signal);
			} catch (thrown) {
				if (!(thrown instanceof TooLong)) throw thrown;
				this.#limit = Math.max(1, this.#limit >> 1);
			}
		}
	}
}

export function keyEntry(kv: KeyValue): KeyEntry {
	return {
		folder: false,
		key: kv.key,
		modified: kv.modRevision,
		created: kv.createRevision,
		version: kv.version,
		lease: kv.lease,
		deadline: undefined,
		kept: 0,
		value: undefined,
		preview: undefined,
		fresh: false,
	};
}

export function folderEntry(folder: Bytes, kv: KeyValue): FolderEntry {
	return { folder: true, key: folder, witness: kv.key, touched: kv.modRevision, count: undefined, counted: 0, deadline: undefined, kept: 0, modified: 0 };
}
