// Looks through all keys and values below a folder, a bounded page at a time.

import { signal } from '@preact/signals';
import { type Bytes, prefixEnd, successor } from '../../../api/bytes.ts';
import { asFailure, Failure, isAbort } from '../../../api/failure.ts';
import { TooLong } from '../../../api/http.ts';
import { get, type Node } from '../../../api/v2.ts';
import { range } from '../../../api/v3.ts';
import { largestDirectory } from '../../../live/keys-v2.ts';
import type { Space } from '../../../settings.ts';
import { type Match, matcher } from './match.ts';

export interface Hit {
	key: Bytes;
	inKey: Match | undefined;
	inValue: Match | undefined;
	size: number;
}

export interface Progress {
	/** running, or why not: stopped by the user, at the limit of what is shown, or at the end. */
	state: 'running' | 'stopped' | 'full' | 'done' | 'failed';
	looked: number;
	/** undefined in v2: what is in a directory shows when it is read. */
	total: number | undefined;
	/** Keys whose values are too large to be looked into. */
	skipped: number;
	failure?: Failure;
}

interface Looked {
	key: Bytes;
	/** undefined if it is too large. */
	value: Bytes | undefined;
}

interface Page {
	keys: Looked[];
	total: number | undefined;
}

interface Pages {
	/** The page after the last one that came; undefined at the end. */
	next(signal: AbortSignal): Promise<Page | undefined>;
}

const limit = 500; // hits, until the user wants more
const aim = 300 * 1024;
const largest = 3000; // keys in a page
const most = 512 * 1024;

export class Search {
	readonly hits = signal<readonly Hit[]>([]);
	readonly progress = signal<Progress>({ state: 'running', looked: 0, total: undefined, skipped: 0 });
	readonly #pages: Pages;
	readonly #matches: ReturnType<typeof matcher>;
	#running: AbortController | undefined;
	#rest: Looked[] = [];
	#limit = limit;

	constructor(space: Space, prefix: Bytes, sought: Bytes) {
		this.#matches = matcher(sought);
		this.#pages = space === 'v3' ? new PagesV3(prefix) : new PagesV2(prefix);
	}

	/** Goes on until the end, or until the limit. */
	async run(): Promise<void> {
		const own = new AbortController();
		this.#running = own;
		this.#limit = this.hits.peek().length + limit;
		this.#say({ state: 'running' });
		try {
			while (!own.signal.aborted) {
				if (this.#rest.length === 0) {
					const page = await this.#pages.next(own.signal);
					if (!page) return this.#say({ state: 'done' });
					this.#rest = page.keys;
					this.#say({ total: page.total });
				}
				if (this.#look()) return this.#say({ state: 'full' });
			}
		} catch (thrown) {
			if (!isAbort(thrown) && !own.signal.aborted) this.#say({ state: 'failed', failure: asFailure(thrown) });
		}
	}

	stop(): void {
		this.#running?.abort();
		this.#say({ state: 'stopped' });
	}

	#say(change: Partial<Progress>): void {
		this.progress.value = { ...this.progress.peek(), ...change };
	}

	/** Looks into the keys that have come; true if there are as many hits as are shown. */
	#look(): boolean {
		const hits: Hit[] = [];
		let { looked, skipped } = this.progress.peek();
		const room = this.#limit - this.hits.peek().length;
		let i = 0;
		for (; i < this.#rest.length && hits.length < room; i++) {
			const one = this.#rest[i];
			if (!one) continue;
			looked++;
			if (one.value === undefined) skipped++;
			const inKey = this.#matches(one.key);
			const inValue = one.value === undefined ? undefined : this.#matches(one.value);
			if (inKey || inValue) hits.push({ key: one.key, inKey, inValue, size: one.value?.length ?? -1 });
		}
		this.#rest = this.#rest.slice(i);
		this.#say({ looked, skipped });
		if (hits.length > 0) this.hits.value = [...this.hits.peek(), ...hits];
		return hits.length >= room;
	}
}

/** All pages are read as of now: a search takes a while, and etcd may be compacted meanwhile. */
class PagesV3 implements Pages {
	readonly #end: Bytes;
	#at: Bytes;
	#batch = 1; // how large values are shows only when they come
	#before = 0;
	#done = false;

	constructor(prefix: Bytes) {
		this.#at = prefix;
		this.#end = prefixEnd(prefix);
	}

	async next(signal: AbortSignal): Promise<Page | undefined> {
		if (this.#done) return undefined;
		for (;;) {
			const from = { key: this.#at, end: this.#end };
			try {
				const { kvs, more, count, bytes } = await range({ ...from, limit: this.#batch, maxBytes: most }, signal);
				this.#batch = Math.max(1, Math.min(largest, this.#batch * 4, Math.floor((aim / Math.max(1, bytes)) * kvs.length)));
				return this.#page(kvs, more, count);
			} catch (thrown) {
				if (!(thrown instanceof TooLong)) throw thrown;
				this.#batch >>= 1;
				if (this.#batch > 0) continue;
				// One whose value is too large: only its key is looked at.
				const { kvs, more, count } = await range({ ...from, limit: 1, keysOnly: true }, signal);
				this.#batch = 1;
				return this.#page(
					kvs.map(({ key }) => ({ key, value: undefined })),
					more,
					count,
				);
			}
		}
	}

	#page(keys: Looked[], more: boolean, count: number): Page {
		const total = this.#before + count;
		const last = keys.at(-1);
		this.#before += keys.length;
		if (more && last) this.#at = successor(last.key);
		else this.#done = true;
		return { keys, total };
	}
}

/** A directory at a time, without what is hidden. */
class PagesV2 implements Pages {
	readonly #directories: Bytes[];

	constructor(prefix: Bytes) {
		this.#directories = [prefix];
	}

	async next(signal: AbortSignal): Promise<Page | undefined> {
		const at = this.#directories.at(-1);
		if (at === undefined) return undefined;
		const nodes = await this.#read(at, signal);
		this.#directories.pop();
		nodes.sort((a, b) => (a.key < b.key ? -1 : 1));
		for (const inner of [...nodes].reverse()) if (inner.dir) this.#directories.push(inner.key);
		return { keys: nodes.filter((inner) => !inner.dir), total: undefined };
	}

	async #read(at: Bytes, signal: AbortSignal): Promise<Node[]> {
		try {
			return (await get(at, { maxBytes: largestDirectory }, signal)).node.nodes;
		} catch (thrown) {
			// It may have gone since its parent was read.
			if (asFailure(thrown).kind === 'notFound') return [];
			if (thrown instanceof TooLong) throw new Failure('tooLarge', 'a directory is too large to be searched');
			throw thrown;
		}
	}
}
