// The values of the keys, and the sizes of the folders, that are on the screen (v3).

import { prefixEnd, successor } from '../api/bytes.ts';
import { isAbort } from '../api/failure.ts';
import { TooLong } from '../api/http.ts';
import { range } from '../api/v3.ts';
import type { Entry, FolderEntry, KeyEntry } from './entries.ts';
import { find } from './entries.ts';
import { preview } from './preview.ts';

export interface Values {
	/** These rows are seen now: what is asked for others is given up. */
	seen(first: number, last: number): void;
	/** Asks again for what could not be had. */
	again(): void;
	stop(): void;
}

const pause = 60; // a row that is only scrolled past is not asked for
const largest = 50;
const aim = 256 * 1024;
const most = 512 * 1024;

export function fetchValues(entries: () => readonly Entry[], draw: () => void): Values {
	let [first, last] = [0, 0];
	let timer: ReturnType<typeof setTimeout> | undefined;
	let running = new AbortController();
	// How large values are shows only when they come, and a browser takes in some more of an
	// answer than is read of it: so it begins with one.
	let batch = 1;
	const without = new Set<Entry>(); // asked for, and not there

	const onScreen = (): readonly Entry[] => entries().slice(first, last);

	function start(): void {
		clearTimeout(timer);
		timer = setTimeout(() => {
			running.abort();
			running = new AbortController();
			const { signal } = running;
			for (const work of [values, counts]) void work(signal).catch((thrown: unknown) => isAbort(thrown));
		}, pause);
	}

	async function values(signal: AbortSignal): Promise<void> {
		for (let wanted = run(); wanted.length > 0; wanted = run()) {
			const [from, to] = [wanted[0], wanted.at(-1)];
			if (!from || !to) return;
			try {
				const { kvs, more } = await range({ key: from.key, end: successor(to.key), limit: wanted.length, maxBytes: most }, signal);
				for (const kv of kvs) {
					const entry = find(entries(), kv.key);
					if (!entry || entry.folder || entry.modified > kv.modRevision) continue;
					Object.assign(entry, { modified: kv.modRevision, version: kv.version, lease: kv.lease, value: undefined, preview: preview(kv.value) });
				}
				// What should have been among these, and is not, has gone: the watch will tell.
				const end = more ? kvs.at(-1)?.key : to.key;
				for (const entry of wanted) if (entry.preview === undefined && (end === undefined || entry.key <= end)) without.add(entry);
				const longest = kvs.reduce((most, kv) => Math.max(most, kv.value.length), 1000);
				batch = Math.max(1, Math.min(largest, batch * 4, Math.floor(aim / longest)));
			} catch (thrown) {
				if (!(thrown instanceof TooLong)) throw thrown;
				if (wanted.length === 1) from.preview = 'large';
				batch = Math.max(1, wanted.length >> 1);
			}
			draw();
		}
	}

	/** Keys without a value that stand one after the other: between them is no folder, and so no other keys. */
	function run(): KeyEntry[] {
		const found: KeyEntry[] = [];
		for (const entry of onScreen()) {
			if (!entry.folder && entry.preview === undefined && entry.value === undefined && !without.has(entry)) found.push(entry);
			else if (found.length > 0) break;
			if (found.length === batch) break;
		}
		return found;
	}

	async function counts(signal: AbortSignal): Promise<void> {
		const next = (): FolderEntry | undefined => onScreen().find((e): e is FolderEntry => e.folder && e.count === undefined && !without.has(e));
		for (let entry = next(); entry; entry = next()) {
			const { count, revision } = await range({ key: entry.key, end: prefixEnd(entry.key), countOnly: true }, signal);
			// If something has come or gone since, it is counted once more.
			if (entry.touched <= revision) Object.assign(entry, { count, counted: revision });
			draw();
		}
	}

	return {
		seen(from, to) {
			[first, last] = [from, to];
			without.clear();
			start();
		},
		again() {
			without.clear();
			start();
		},
		stop() {
			clearTimeout(timer);
			running.abort();
		},
	};
}
