// A folder of v3's keys, kept as etcd has it: its beginning is read at one revision, the
// rest as it is scrolled to, and a watch tells what has changed since.
//
// Later pages are read as of now, and not as of the first revision, which etcd may have
// forgotten by then. They may know more than the watch has told yet; so a change that is
// older than what it would change is dropped.

import { signal } from '@preact/signals';
import { type Bytes, prefixEnd } from '../api/bytes.ts';
import { asFailure, Failure, isAbort } from '../api/failure.ts';
import { user } from '../api/session.ts';
import { range } from '../api/v3.ts';
import { type Change, watch } from '../api/watch.ts';
import { subfolder } from '../api/folders.ts';
import { drop, type Entry, find, type FolderEntry, put } from './entries.ts';
import type { Folder } from './folder.ts';
import { preview } from './preview.ts';
import { folderEntry, keyEntry, type Page, SkipScan } from './skip-scan.ts';
import { keep } from './stream.ts';
import { fetchValues } from './values.ts';

const firstRows = 200;

export function openFolder(prefix: Bytes): Folder {
	const drawn = signal(0);
	const failure = signal<Failure | undefined>(undefined);
	let entries: Entry[] = [];
	let scan = new SkipScan(prefix);
	/** Keys from here on are not loaded; undefined if all are. */
	let edge: Bytes | undefined = prefix;
	let ready = false;
	/** How many rows may come behind the edge. */
	let rest = 0;
	let count = 0;
	let wanted = firstRows;
	/** What the watch has told up to. */
	let last: number | undefined;
	/** The page that is on its way, and what has changed behind the edge meanwhile. */
	let reading: AbortController | undefined;
	let meanwhile: Change[] = [];
	/** Folders whose witness is gone. */
	const doubted = new Set<Bytes>();
	let checking: ReturnType<typeof setTimeout> | undefined;
	let frame = 0;
	/** Who reads: another one may see other keys. */
	let reader = user.peek();
	const ended = new AbortController();

	const draw = (): void => {
		if (frame === 0) {
			frame = requestAnimationFrame(() => {
				frame = 0;
				drawn.value++;
			});
		}
	};
	const values = fetchValues(() => entries, draw);

	/** Reads as much as was there before, at one revision. */
	async function list(signal: AbortSignal): Promise<void> {
		reading?.abort();
		reading = undefined;
		const anew = new SkipScan(prefix);
		const before = entries;
		const goal = Math.max(firstRows, before.length);
		const rows: Entry[] = [];
		let revision = 0;
		let total = 0;
		let page: Page;
		do {
			page = await anew.next(revision, signal);
			if (revision === 0) [revision, total] = [page.revision, page.count];
			for (const entry of page.found) {
				const old = find(before, entry.key);
				rows.push(old && !old.folder && !entry.folder && old.modified === entry.modified ? old : entry);
			}
			if (!ready) {
				ready = true;
				[entries, count] = [rows, total];
			}
			if (entries === rows) rest = page.rest;
			draw();
		} while (!anew.done && rows.length < goal);
		[entries, scan, count, rest, last, meanwhile] = [rows, anew, total, page.rest, revision, []];
		edge = anew.done ? undefined : anew.at;
		doubted.clear();
		failure.value = undefined;
		values.again();
	}

	/** Reads on until there are as many rows as are wanted. */
	async function more(): Promise<void> {
		if (reading || last === undefined || ended.signal.aborted) return;
		const own = new AbortController();
		reading = own;
		try {
			while (edge !== undefined && entries.length < wanted) {
				const page = await scan.next(0, own.signal);
				if (own.signal.aborted) return;
				for (const entry of page.found) entries.push(entry);
				rest = page.rest;
				edge = scan.done ? undefined : scan.at;
				const late = meanwhile;
				meanwhile = [];
				for (const change of late) apply(change);
				failure.value = undefined;
				values.again();
				draw();
			}
		} catch (thrown) {
			if (!isAbort(thrown)) failure.value = asFailure(thrown);
		} finally {
			if (reading === own) {
				reading = undefined;
				meanwhile = [];
			}
		}
	}

	function apply(change: Change): void {
		const { kv, deleted } = change;
		if (edge !== undefined && kv.key >= edge) {
			if (reading) meanwhile.push(change);
			return;
		}
		const inner = subfolder(prefix, kv.key);
		if (inner !== undefined) {
			within(inner, change);
			return;
		}
		const old = find(entries, kv.key);
		if (old && !old.folder && old.modified >= kv.modRevision) return;
		if (deleted) {
			drop(entries, kv.key);
			return;
		}
		const entry = keyEntry(kv);
		if (kv.value.length > 4096) entry.preview = preview(kv.value);
		else entry.value = kv.value;
		entry.fresh = true;
		put(entries, entry);
	}

	function within(inner: Bytes, { kv, deleted }: Change): void {
		const known = find(entries, inner);
		let entry = known?.folder ? known : undefined;
		if (!deleted) {
			if (!entry) {
				entry = folderEntry(inner, kv);
				put(entries, entry);
				values.again();
			}
			entry.witness = kv.key;
			if (kv.version === 1) changed(entry, kv.modRevision, 1);
		} else if (entry) {
			changed(entry, kv.modRevision, -1);
			if (entry.count === 0) drop(entries, inner);
			else if (entry.witness === kv.key) doubt(inner);
		}
	}

	function changed(entry: FolderEntry, revision: number, by: number): void {
		entry.touched = Math.max(entry.touched, revision);
		if (entry.count !== undefined && revision > entry.counted) entry.count = Math.max(0, entry.count + by);
	}

	function doubt(folder: Bytes): void {
		doubted.add(folder);
		later(50);
	}

	/** Is there still a key in the folders whose witnesses are gone? */
	async function check(): Promise<void> {
		checking = undefined;
		try {
			for (const folder of [...doubted]) {
				const { kvs, revision } = await range({ key: folder, end: prefixEnd(folder), limit: 1, keysOnly: true }, ended.signal);
				const entry = find(entries, folder);
				// What has come or gone since may make this answer wrong: then it is asked again.
				if (entry?.folder && entry.touched > revision) continue;
				doubted.delete(folder);
				if (!entry?.folder) continue;
				if (kvs[0]) entry.witness = kvs[0].key;
				else drop(entries, folder);
				draw();
			}
			if (doubted.size > 0) later(50);
		} catch (thrown) {
			if (!isAbort(thrown)) later(1000);
		}
	}

	function later(pause: number): void {
		checking ??= setTimeout(() => void check(), pause);
	}

	const stream = keep(async ({ live, signal }) => {
		if (reader !== user.peek()) {
			reader = user.peek();
			[entries, edge, ready, last] = [[], prefix, false, undefined];
			draw();
		}
		if (last === undefined) await list(signal);
		try {
			await watch(
				{ key: prefix, end: prefixEnd(prefix), from: (last ?? 0) + 1 },
				{
					onStart() {
						live();
						values.again();
						void more();
					},
					onChanges(changes) {
						live();
						for (const change of changes) {
							if (change.deleted) count--;
							else if (change.kv.version === 1) count++;
							apply(change);
							last = Math.max(last ?? 0, change.kv.modRevision);
						}
						draw();
					},
				},
				signal,
			);
		} catch (thrown) {
			// What has happened since is forgotten: begin anew, with how it is.
			if (thrown instanceof Failure && thrown.kind === 'compacted') last = undefined;
			throw thrown;
		}
	});

	return {
		space: 'v3',
		prefix,
		get entries() {
			return entries;
		},
		drawn,
		get ready() {
			return ready;
		},
		get complete() {
			return edge === undefined;
		},
		get count() {
			return count;
		},
		get rows() {
			return edge === undefined ? entries.length : entries.length + rest;
		},
		failure,
		missing: 'no',
		stream,
		want(rows) {
			wanted = rows;
			void more();
		},
		seen: values.seen,
		stop() {
			ended.abort();
			reading?.abort();
			clearTimeout(checking);
			cancelAnimationFrame(frame);
			values.stop();
			stream.stop();
		},
	};
}
