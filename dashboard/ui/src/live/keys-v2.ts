// A directory of v2's keys, kept as etcd has it. etcd gives a directory as one answer,
// values included: up to a limit it is read whole, and then its watch tells what changes.

import { signal } from '@preact/signals';
import type { Bytes } from '../api/bytes.ts';
import { asFailure, Failure } from '../api/failure.ts';
import { TooLong } from '../api/http.ts';
import { user } from '../api/session.ts';
import { get, type Node, normal } from '../api/v2.ts';
import { type V2Change, watchV2 } from '../api/v2-watch.ts';
import { subfolder } from '../api/folders.ts';
import { jumps } from './clock.ts';
import { drop, type Entry, find, put } from './entries.ts';
import { lookAfterEnds } from './ends.ts';
import type { Folder } from './folder.ts';
import { preview } from './preview.ts';
import { keep } from './stream.ts';

/** What is read of a directory: some 200,000 small keys. */
export const largestDirectory = 32 * 1024 * 1024;

// A directory is only looked at for its TTL, and what is in it comes along: of a larger
// answer it is enough to know that it is still there.
const glance = 64 * 1024;

export function openDirectory(prefix: Bytes): Folder {
	const drawn = signal(0);
	const failure = signal<Failure | undefined>(undefined);
	let entries: Entry[] = [];
	let ready = false;
	let missing: Folder['missing'] = 'no';
	let last: number | undefined;
	let [first, behind] = [0, 0];
	let frame = 0;
	let reader = user.peek();
	let jumped = jumps.peek();
	const ended = new AbortController();

	const draw = (): void => {
		if (frame === 0) {
			frame = requestAnimationFrame(() => {
				frame = 0;
				drawn.value++;
				ends.await();
			});
		}
	};

	async function list(signal: AbortSignal): Promise<void> {
		try {
			const { node, index } = await get(prefix, { maxBytes: largestDirectory }, signal);
			missing = node.dir ? 'no' : 'key';
			entries = node.nodes.map((n) => entry(n)).sort((a, b) => (a.key < b.key ? -1 : 1));
			last = index;
		} catch (thrown) {
			if (thrown instanceof TooLong) throw new Failure('tooLarge', `the directory has more than ${largestDirectory / 1024 / 1024} MiB, and etcd's v2 API gives it only as a whole`);
			const { kind, index } = asFailure(thrown);
			if (kind !== 'notFound' || index === 0) throw thrown;
			[missing, entries, last] = ['gone', [], index];
		}
		ready = true;
		draw();
	}

	/** What is known of a key, whether it is one or a directory. */
	const known = (key: Bytes): Entry | undefined => find(entries, key) ?? find(entries, (key + '/') as Bytes);

	function apply({ node, deleted }: V2Change): void {
		const inner = subfolder(prefix, node.key);
		if (prefix.startsWith(node.key === '/' ? '/' : node.key + '/')) {
			// The directory itself, or one around it.
			if (deleted) [missing, entries] = ['gone', []];
			else if (node.key === normal(prefix)) missing = node.dir ? 'no' : 'key';
			return;
		}
		if (!deleted) missing = 'no';
		if (inner !== undefined) {
			if (!deleted && !find(entries, inner)?.folder) put(entries, directory(inner, node, true));
			return;
		}
		// What has been looked at may be newer than what the watch has told.
		if ((known(node.key)?.modified ?? 0) >= node.modifiedIndex) return;
		if (deleted) {
			drop(entries, node.key);
			drop(entries, (node.key + '/') as Bytes);
			return;
		}
		const changed = entry(node, true);
		if (!changed.folder) changed.fresh = true;
		// What was a key may be a directory now, and the other way round.
		drop(entries, changed.folder ? node.key : ((node.key + '/') as Bytes));
		put(entries, changed);
	}

	/** Looks whether one whose time is over has been refreshed. */
	async function look(old: Entry): Promise<void> {
		if (stream.state.peek() !== 'live') throw new Failure('unreachable', 'what would be found could not be compared with what the watch tells');
		let found: Entry | undefined;
		try {
			found = entry((await get(normal(old.key), { maxBytes: old.folder ? glance : largestDirectory }, ended.signal)).node);
		} catch (thrown) {
			if (thrown instanceof TooLong) found = old;
			else if (asFailure(thrown).kind !== 'notFound') throw thrown;
		}
		// What has happened to it meanwhile, the watch has told.
		if (find(entries, old.key) !== old) return;
		if (found === undefined) drop(entries, old.key);
		else if (found.key === old.key && found.modified >= old.modified) put(entries, { ...found, kept: old.kept + 1 });
		draw();
	}
	const ends = lookAfterEnds(() => entries.slice(first, behind), look);

	const stream = keep(async ({ live, signal }) => {
		if (reader !== user.peek()) {
			reader = user.peek();
			[entries, ready, last] = [[], false, undefined];
			draw();
		}
		if (jumped !== jumps.peek()) {
			jumped = jumps.peek();
			// When times are over is known by this machine's clock.
			if (entries.some((e) => e.deadline !== undefined)) last = undefined;
		}
		if (last === undefined) await list(signal);
		try {
			await watchV2(
				{ key: prefix, recursive: true, from: (last ?? 0) + 1 },
				{
					onStart: live,
					onChange(change) {
						live();
						apply(change);
						last = change.node.modifiedIndex;
						draw();
					},
				},
				signal,
			);
		} catch (thrown) {
			if (thrown instanceof Failure && thrown.kind === 'compacted') last = undefined;
			throw thrown;
		}
	});

	return {
		space: 'v2',
		prefix,
		get entries() {
			return entries;
		},
		drawn,
		get ready() {
			return ready;
		},
		complete: true,
		get count() {
			return entries.length;
		},
		get rows() {
			return entries.length;
		},
		failure,
		get missing() {
			return missing;
		},
		stream,
		want() {},
		seen(from, to) {
			[first, behind] = [from, to];
			ends.await();
		},
		stop() {
			ended.abort();
			ends.stop();
			cancelAnimationFrame(frame);
			stream.stop();
		},
	};
}

/** told: a watch has told it, just when it happened. */
function entry(node: Node, told = false): Entry {
	const { key, modifiedIndex: modified, createdIndex: created, ttl } = node;
	if (node.dir) return directory((key + '/') as Bytes, node, told);
	const long = node.value.length > 4096;
	return {
		...{ folder: false, key, modified, created, version: 0, lease: '0', deadline: deadline(ttl, told), kept: 0, fresh: false },
		value: long ? undefined : node.value,
		preview: long ? preview(node.value) : undefined,
	};
}

function directory(key: Bytes, { ttl, modifiedIndex, dir }: Node, told: boolean): Entry {
	return { folder: true, key, witness: key, touched: 0, count: undefined, counted: 0, deadline: dir ? deadline(ttl, told) : undefined, kept: 0, modified: modifiedIndex };
}

// The seconds that are left are told as whole ones, rounded up: between is the truth.
function deadline(ttl: number | undefined, told: boolean): number | undefined {
	return ttl === undefined ? undefined : Date.now() + ttl * 1000 - (told ? 0 : 500);
}
