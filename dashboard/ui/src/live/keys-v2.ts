// A directory of v2's keys, kept as etcd has it. etcd gives a directory as one answer,
// values included: up to a limit it is read whole, and then its watch tells what changes.

import { signal } from '@preact/signals';
import type { Bytes } from '../api/bytes.ts';
import { asFailure, Failure } from '../api/failure.ts';
import { TooLong } from '../api/http.ts';
import { user } from '../api/session.ts';
import { get, type Node, normal } from '../api/v2.ts';
import { type V2Change, watchV2 } from '../api/v2-watch.ts';
import { subfolder } from '../pages/keys/browse/names.ts';
import { drop, type Entry, find, put } from './entries.ts';
import type { Folder } from './folder.ts';
import { preview } from './preview.ts';
import { keep } from './stream.ts';

/** What is read of a directory: some 200,000 small keys. */
export const largestDirectory = 32 * 1024 * 1024;

// etcd does not tell when a TTL is refreshed: what should have expired by then is looked at.
const grace = 1500;

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
	const ended = new AbortController();

	const draw = (): void => {
		if (frame === 0) {
			frame = requestAnimationFrame(() => {
				frame = 0;
				drawn.value++;
			});
		}
	};

	async function list(signal: AbortSignal): Promise<void> {
		try {
			const { node, index } = await get(prefix, { maxBytes: largestDirectory }, signal);
			missing = node.dir ? 'no' : 'key';
			entries = node.nodes.map(entry).sort((a, b) => (a.key < b.key ? -1 : 1));
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
			if (!deleted && !find(entries, inner)?.folder) put(entries, directory(inner, node));
			return;
		}
		if (deleted) {
			drop(entries, node.key);
			drop(entries, (node.key + '/') as Bytes);
			return;
		}
		const changed = entry(node);
		if (!changed.folder) changed.fresh = true;
		// What was a key may be a directory now, and the other way round.
		drop(entries, changed.folder ? node.key : ((node.key + '/') as Bytes));
		put(entries, changed);
	}

	async function look(): Promise<void> {
		const overdue = entries.slice(first, behind).filter((e) => e.deadline !== undefined && e.deadline + grace < Date.now());
		for (const { key, modified } of overdue) {
			if (stream.state.peek() !== 'live') return;
			try {
				const { node } = await get(normal(key), { maxBytes: largestDirectory }, ended.signal);
				const now = find(entries, key);
				if (now?.modified === modified && now.modified === node.modifiedIndex) now.deadline = entry(node).deadline;
			} catch (thrown) {
				if (asFailure(thrown).kind !== 'notFound') return;
				if (find(entries, key)?.modified === modified) drop(entries, key);
			}
			draw();
		}
	}

	const stream = keep(async ({ live, signal }) => {
		if (reader !== user.peek()) {
			reader = user.peek();
			[entries, ready, last] = [[], false, undefined];
			draw();
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
	const overdue = setInterval(() => void look(), 2000);

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
		},
		stop() {
			ended.abort();
			clearInterval(overdue);
			cancelAnimationFrame(frame);
			stream.stop();
		},
	};
}

function entry(node: Node): Entry {
	const { key, modifiedIndex: modified, createdIndex: created, ttl } = node;
	if (node.dir) return directory((key + '/') as Bytes, node);
	const long = node.value.length > 4096;
	return {
		...{ folder: false, key, modified, created, version: 0, lease: '0', deadline: deadline(ttl), fresh: false },
		value: long ? undefined : node.value,
		preview: long ? preview(node.value) : undefined,
	};
}

function directory(key: Bytes, { ttl, modifiedIndex, dir }: Node): Entry {
	return { folder: true, key, witness: key, touched: 0, count: undefined, counted: 0, deadline: dir ? deadline(ttl) : undefined, modified: modifiedIndex };
}

function deadline(ttl: number | undefined): number | undefined {
	return ttl === undefined ? undefined : Date.now() + ttl * 1000;
}
