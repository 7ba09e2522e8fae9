// Deletes a key, if it is still what was looked at, after the user has said so.

import { asFailure, Failure } from '../../../api/failure.ts';
import { confirm, say } from '../../../ui/dialog.tsx';
import { label } from '../../../ui/text.tsx';
import { current, type Seen } from './edit.ts';
import type { Editing } from './editing.ts';
import { ownKey } from './own-keys.ts';

/** Whether it has been deleted. */
export async function deleteKey({ store, edit, tell, discard }: Editing): Promise<boolean> {
	const name = label(store.name);
	const own = ownKey(store.space, store.name);
	for (let changed = false; ; changed = true) {
		const base = current(edit.peek());
		if (!base) {
			if (changed) say('It is not there any more', 'warn', name);
			return changed;
		}
		let other: Seen | undefined;
		const yes = await confirm({
			title: changed ? 'It has been changed meanwhile. Delete it all the same?' : 'Delete this key?',
			body: [
				changed ? `Nothing was deleted: somebody has written ${name} since you looked at it. It is at revision ${base.revision} now.` : `${name} is deleted, with its value.`,
				own,
			]
				.filter(Boolean)
				.join(' '),
			action: changed ? 'Delete what is there now' : 'Delete',
			danger: true,
			async run() {
				try {
					const removed = await store.remove(base);
					if (!removed.done) other = removed;
					// What was typed goes with it.
					else {
						discard();
						tell({ now: undefined, at: removed.at });
					}
				} catch (thrown) {
					if (asFailure(thrown).kind !== 'unknown') throw thrown;
					const seen = await store.read().catch(() => {
						throw thrown;
					});
					if (seen.now?.revision === base.revision) throw new Failure('unknown', 'the answer got lost; etcd was asked again, and the key is still there');
					if (seen.now) other = seen;
					else {
						discard();
						tell(seen);
					}
				}
			},
		});
		if (!yes) return false;
		if (!other) {
			say('Deleted', 'good', name);
			return true;
		}
		tell(other);
	}
}
