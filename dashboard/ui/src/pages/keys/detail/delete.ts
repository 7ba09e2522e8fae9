// Deletes a key, if it is still what was looked at, after the user has said so.

import { asFailure, Failure } from '../../../api/failure.ts';
import { confirm, say } from '../../../ui/dialog.tsx';
import { label } from '../../../ui/text.tsx';
import type { Seen } from './edit.ts';
import { meaningOf } from './own-keys.ts';
import type { Base, Store } from './store.ts';

/**
 * Whether it has been deleted. The base is what the user sees when this is called: what comes
 * later is deleted only when they have been asked again. What is found out is told, and whether it was deleted by this.
 */
export async function deleteKey(store: Pick<Store, 'space' | 'name' | 'read' | 'remove'>, base: Base, tell: (seen: Seen, deleted: boolean) => void = () => undefined): Promise<boolean> {
	const name = label(store.name);
	const own = meaningOf(store.space, store.name);
	for (let changed = false; ; changed = true) {
		const { revision } = base;
		let other: Seen | undefined;
		const yes = await confirm({
			title: changed ? 'It has been changed meanwhile. Delete it all the same?' : 'Delete this key?',
			body: [changed ? `Nothing was deleted: somebody has written ${name} since you looked at it. It is at revision ${revision} now.` : `${name} is deleted, with its value.`, own].filter(Boolean).join(' '),
			action: changed ? 'Delete what is there now' : 'Delete',
			danger: true,
			async run() {
				try {
					const removed = await store.remove({ revision });
					if (removed.done) tell({ now: undefined, at: removed.at }, true);
					else other = removed;
				} catch (thrown) {
					if (asFailure(thrown).kind !== 'unknown') throw thrown;
					const seen = await store.read().catch(() => {
						throw thrown;
					});
					if (seen.now?.revision === revision) throw new Failure('unknown', 'the answer got lost; etcd was asked again, and the key is still there');
					if (seen.now) other = seen;
					else tell(seen, true);
				}
			},
		});
		if (!yes) return false;
		if (!other) {
			say('Deleted', 'good', name);
			return true;
		}
		tell(other, false);
		if (!other.now) {
			say('It is not there any more', 'warn', name);
			return true;
		}
		base = other.now;
	}
}
