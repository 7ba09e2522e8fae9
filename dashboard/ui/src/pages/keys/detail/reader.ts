// Who has a key open: another user may not see what this one has seen.

import { user } from '../../../api/session.ts';
import { isEdited } from './edit.ts';
import type { Editing } from './editing.ts';

/**
 * Opens a key, and opens it anew when another user has signed in, or this one out. What has
 * been edited is kept while nobody is signed in, but not to be shown: it is hidden for the user
 * whose it is. Who was nobody becomes the one who signs in, with what has been edited.
 */
export function openForReader(open: () => Editing, show: (editing: Editing, hidden: string | undefined) => void): () => void {
	let opened = open();
	let reader = user.peek();
	const unsubscribe = user.subscribe((now) => {
		const kept = isEdited(opened.edit.peek()) && (now === undefined || reader === undefined);
		if (now !== reader && !kept) {
			opened.stop();
			opened = open();
			reader = now;
		}
		reader ??= now;
		show(opened, now === reader ? undefined : reader);
	});
	return () => {
		unsubscribe();
		opened.stop();
	};
}
