// One key in etcd, the same for both of its APIs: read, followed, and written only if it is
// still what it was when the user looked at it.

import type { Bytes } from '../../../api/bytes.ts';
import type { Opened } from '../../../live/stream.ts';
import type { Space } from '../../../settings.ts';
import type { Seen, Version } from './edit.ts';
import { v2Store } from './store-v2.ts';
import { v3Store } from './store-v3.ts';

/** What a key is to be still when it is deleted. */
export type Base = Pick<Version, 'revision'>;

/** How a write went: done, or not since something else was there. */
export type Written = { done: true; now: Version } | ({ done: false } & Seen);
export type Removed = { done: true; at: number } | ({ done: false } & Seen);

export interface Store {
	readonly space: Space;
	readonly name: Bytes;
	read(signal?: AbortSignal): Promise<Seen>;
	/** Tells what is there, and each change, until the stream ends. */
	follow(tell: (seen: Seen) => void, opened: Opened): Promise<void>;
	/**
	 * Writes it if it is still base; without one, if it is not there. Its lease stays, and
	 * what is left of its TTL.
	 */
	write(value: Bytes, base: Version | undefined): Promise<Written>;
	remove(base: Base): Promise<Removed>;
}

export function openStore(space: Space, name: Bytes): Store {
	return space === 'v3' ? v3Store(name) : v2Store(name);
}
