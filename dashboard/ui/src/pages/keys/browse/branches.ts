// The tree's folders: which are open, and what has been read of each.

import { signal } from '@preact/signals';
import type { Bytes } from '../../../api/bytes.ts';
import { asFailure, type Failure } from '../../../api/failure.ts';
import type { Folder } from '../../../live/folder.ts';
import type { Space } from '../../../settings.ts';
import { crumbs } from './names.ts';
import { spaces, type Subfolders } from './spaces.ts';

export interface Item {
	prefix: Bytes;
	level: number;
	/** undefined: there are no folders in it. */
	open: boolean | undefined;
	/** It stands for those that are not shown yet. */
	more?: boolean;
	failure?: Failure | undefined;
}

interface Branch {
	folders: Bytes[];
	more?: Subfolders['more'];
	failure?: Failure;
	read: number;
}

const stale = 10_000;
const step = 100;

export class Branches {
	/** Counts up when there is something else to be seen. */
	readonly changed = signal(0);
	readonly #space: Space;
	readonly #open = new Set<Bytes>();
	readonly #branches = new Map<Bytes, Branch>();
	readonly #reading = new Set<Bytes>();
	#shown = step; // of the folder whose contents are live

	constructor(space: Space) {
		this.#space = space;
	}

	/** Opens the way to a folder, and looks again at what is on it. */
	reveal(prefix: Bytes): void {
		this.#shown = step;
		// Most keys begin with a slash: what is in that folder is seen from the beginning on.
		const first = this.#open.size === 0 ? [spaces[this.#space].root, '/' as Bytes] : [];
		for (const around of new Set([...first, ...way(this.#space, prefix).filter((at) => at !== prefix)])) {
			this.#open.add(around);
			const branch = this.#branches.get(around);
			if (!branch || branch.read + stale < Date.now()) void this.#read(around);
		}
		this.changed.value++;
	}

	toggle(prefix: Bytes, open = !this.#open.has(prefix)): void {
		if (open) {
			this.#open.add(prefix);
			void this.#read(prefix);
		} else {
			this.#open.delete(prefix);
		}
		this.changed.value++;
	}

	more(prefix: Bytes, live: Folder | undefined): void {
		if (live?.prefix === prefix && live.ready) {
			this.#shown += step;
			live.want(live.entries.length + 1000);
			this.changed.value++;
			return;
		}
		const more = this.#branches.get(prefix)?.more;
		if (more) void this.#read(prefix, more);
	}

	async #read(prefix: Bytes, more?: () => Promise<Subfolders>): Promise<void> {
		if (this.#reading.has(prefix)) return;
		this.#reading.add(prefix);
		const before = more ? (this.#branches.get(prefix)?.folders ?? []) : [];
		try {
			const found = await (more ?? (() => spaces[this.#space].subfolders(prefix)))();
			this.#branches.set(prefix, { folders: [...before, ...found.folders], more: found.more, read: Date.now() });
		} catch (thrown) {
			this.#branches.set(prefix, { folders: before, failure: asFailure(thrown), read: 0 });
		}
		this.#reading.delete(prefix);
		this.changed.value++;
	}

	/** What is shown: a line for each folder whose parents are all open. */
	items(prefix: Bytes, live: Folder | undefined): Item[] {
		const items: Item[] = [];
		const path = new Set(way(this.#space, prefix));
		const visit = (at: Bytes, level: number): void => {
			const open = this.#open.has(at);
			const { folders, more, known, failure } = this.#inside(at, path, live);
			items.push({ prefix: at, level, open: known && folders.length === 0 && !more ? undefined : open, failure });
			if (!open) return;
			for (const folder of folders) visit(folder, level + 1);
			if (more) items.push({ prefix: at, level: level + 1, open: undefined, more: true });
		};
		visit(spaces[this.#space].root, 1);
		return items;
	}

	#inside(at: Bytes, path: ReadonlySet<Bytes>, live: Folder | undefined): { folders: readonly Bytes[]; more: boolean; known: boolean; failure?: Failure | undefined } {
		if (live?.prefix === at && live.ready) {
			const folders: Bytes[] = [];
			for (const entry of live.entries) {
				if (!entry.folder) continue;
				if (folders.length === this.#shown) return { folders, more: true, known: true };
				folders.push(entry.key);
			}
			return { folders, more: !live.complete, known: true };
		}
		const branch = this.#branches.get(at);
		const folders = branch?.folders ?? [];
		// The way to the folder that is shown is always there, even if it is far down.
		const missing = [...path].filter((p) => p.length > at.length && p.startsWith(at) && p.indexOf('/', at.length) === p.length - 1 && !folders.includes(p));
		return { folders: missing.length === 0 ? folders : [...folders, ...missing].sort(), more: branch?.more !== undefined, known: branch !== undefined && !branch.failure, failure: branch?.failure };
	}
}

/** The folders from the root to this one. */
function way(space: Space, prefix: Bytes): Bytes[] {
	const { root } = spaces[space];
	return [...new Set([root, ...crumbs(prefix).map((crumb) => crumb.prefix)])].filter((at) => at === root || at.endsWith('/'));
}
