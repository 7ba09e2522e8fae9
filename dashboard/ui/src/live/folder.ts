// A folder that is looked at: what is in it, kept as etcd has it.

import type { ReadonlySignal } from '@preact/signals';
import type { Bytes } from '../api/bytes.ts';
import type { Failure } from '../api/failure.ts';
import type { Space } from '../settings.ts';
import type { Entry } from './entries.ts';
import type { Stream } from './stream.ts';

export interface Folder {
	readonly space: Space;
	/** With the slash at its end; '' is the root of v3, '/' that of v2. */
	readonly prefix: Bytes;
	/** What of it has been loaded: its beginning. It changes with `drawn`. */
	readonly entries: readonly Entry[];
	/** Counts up when what is to be seen has changed, once a frame at most. */
	readonly drawn: ReadonlySignal<number>;
	/** Whether what is in it has been looked at for the first time. */
	readonly ready: boolean;
	/** Whether all of it has been loaded. */
	readonly complete: boolean;
	/** How many keys are below it (v3), or in it (v2). */
	readonly count: number;
	/** How many rows there will be, as far as that is known. */
	readonly rows: number;
	/** Why more of it could not be loaded. */
	readonly failure: ReadonlySignal<Failure | undefined>;
	/** v2: it is not a directory, or there is none (any more). */
	readonly missing: 'no' | 'gone' | 'key';
	readonly stream: Stream;
	/** Has so many rows loaded. */
	want(rows: number): void;
	/** The rows that are seen, from the first up to before the last: those get their values. */
	seen(first: number, last: number): void;
	stop(): void;
}
