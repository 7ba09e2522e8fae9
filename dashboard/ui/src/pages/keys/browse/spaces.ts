// What the page can do in each of etcd's key spaces.

import { type Bytes, prefixEnd } from '../../../api/bytes.ts';
import { asFailure } from '../../../api/failure.ts';
import { TooLong } from '../../../api/http.ts';
import * as v2 from '../../../api/v2.ts';
import { range, transact } from '../../../api/v3.ts';
import type { Folder } from '../../../live/folder.ts';
import { openFolder } from '../../../live/keys.ts';
import { largestDirectory, openDirectory } from '../../../live/keys-v2.ts';
import { SkipScan } from '../../../live/skip-scan.ts';
import type { Space } from '../../../settings.ts';

/** What is there under a name. */
export interface Found {
	key: boolean;
	folder: boolean;
	/** How many keys begin with it (v3). */
	beginning: number;
}

/** Folders in a folder, in their order; and how to go on, if there may be more. */
export interface Subfolders {
	folders: Bytes[];
	more: (() => Promise<Subfolders>) | undefined;
}

export interface KeySpace {
	readonly root: Bytes;
	open(prefix: Bytes): Folder;
	subfolders(prefix: Bytes): Promise<Subfolders>;
	look(name: Bytes, signal?: AbortSignal): Promise<Found>;
	/** How many keys are below a folder; undefined if that can't be told. */
	count(prefix: Bytes, signal?: AbortSignal): Promise<number | undefined>;
	removeFolder(prefix: Bytes): Promise<void>;
}

const shown = 100; // folders at a time
const patience = 4; // pages without a folder among their keys

async function scanFolders(scan: SkipScan): Promise<Subfolders> {
	const folders: Bytes[] = [];
	for (let pages = 0; !scan.done && pages < patience && folders.length < shown; pages++) {
		const { found } = await scan.next(0);
		for (const entry of found) if (entry.folder) folders.push(entry.key);
	}
	return { folders, more: scan.done ? undefined : () => scanFolders(scan) };
}

const v3Space: KeySpace = {
	root: '' as Bytes,
	open: openFolder,
	subfolders: (prefix) => scanFolders(new SkipScan(prefix)),
	async look(name, signal) {
		const folder = (name.endsWith('/') ? name : name + '/') as Bytes;
		const [key, below, beginning] = await Promise.allSettled([
			range({ key: name, countOnly: true }, signal),
			range({ key: folder, end: prefixEnd(folder), countOnly: true }, signal),
			range({ key: name, end: prefixEnd(name), countOnly: true }, signal),
		]);
		// Who may read the folder may not be allowed to read what is beside it.
		const failed = [key, below, beginning].filter((answer) => answer.status === 'rejected');
		const grave = failed.find(({ reason }) => failed.length === 3 || asFailure(reason).kind !== 'forbidden');
		if (grave) throw grave.reason;
		const count = (answer: typeof key): number => (answer.status === 'fulfilled' ? answer.value.count : 0);
		return { key: name !== '' && count(key) > 0, folder: count(below) > 0, beginning: count(beginning) };
	},
	count: async (prefix, signal) => (await range({ key: prefix, end: prefixEnd(prefix), countOnly: true }, signal)).count,
	async removeFolder(prefix) {
		await transact({ compare: [], success: [{ delete: { key: prefix, end: prefixEnd(prefix) } }] });
	},
};

const v2Space: KeySpace = {
	root: '/' as Bytes,
	open: openDirectory,
	async subfolders(prefix) {
		const { node } = await v2.get(prefix, { maxBytes: largestDirectory });
		const all = node.nodes.filter((n) => n.dir).map((n) => (n.key + '/') as Bytes);
		all.sort();
		const from = (at: number): Subfolders => ({
			folders: all.slice(at, at + shown),
			more: at + shown < all.length ? () => Promise.resolve(from(at + shown)) : undefined,
		});
		return from(0);
	},
	async look(name, signal) {
		try {
			const { node } = await v2.get(name, { maxBytes: largestDirectory }, signal);
			return { key: !node.dir, folder: node.dir, beginning: 0 };
		} catch (thrown) {
			if (asFailure(thrown).kind !== 'notFound') throw thrown;
			return { key: false, folder: false, beginning: 0 };
		}
	},
	async count(prefix, signal) {
		const leaves = (node: v2.Node): number => (node.dir ? node.nodes.reduce((sum, inner) => sum + leaves(inner), 0) : 1);
		try {
			return leaves((await v2.get(prefix, { recursive: true, maxBytes: largestDirectory }, signal)).node);
		} catch (thrown) {
			if (thrown instanceof TooLong) return undefined;
			throw thrown;
		}
	},
	async removeFolder(prefix) {
		await v2.remove(v2.normal(prefix), { dir: true, recursive: true });
	},
};

export const spaces: Record<Space, KeySpace> = { v2: v2Space, v3: v3Space };
