// Somebody else has written the key since the user began to edit it: both are shown, and the user decides.

import { Dialog } from '../../../../ui/dialog.tsx';
import { Button, Problem } from '../../../../ui/parts.tsx';
import type { Editing } from '../editing.ts';
import { Comparison } from '../editor/comparison.tsx';

export function Conflict({ editing }: { editing: Editing }) {
	const { stage } = editing.edit.value;
	const [shown, busy] = stage.is === 'conflict' ? [stage, false] : stage.is === 'saving' && stage.before.is === 'conflict' ? [stage.before, true] : [undefined, false];
	if (!shown) return null;
	const failure = editing.failure.value;
	if (!shown.theirs) {
		return (
			<Dialog title="Somebody has deleted this key meanwhile" onClose={editing.back}>
				<p>
					Nothing was written. Your text is still here. If you write it, the key is made anew, without the lease or TTL that it had. Before you do, think of why it may have been deleted.
				</p>
				{failure && <Problem failure={failure} />}
				<div class="buttons">
					<Button autofocus onClick={editing.back}>
						Go on editing
					</Button>
					<Button kind="danger" onClick={editing.takeTheirs}>
						Discard mine
					</Button>
					<Button kind="primary" disabled={busy} onClick={() => void editing.overwrite()}>
						Create it again with mine
					</Button>
				</div>
			</Dialog>
		);
	}
	const theirs = `theirs, revision ${shown.theirs.revision}`;
	return (
		<Dialog wide title="Somebody else has changed this key meanwhile" onClose={editing.back}>
			<p>Nothing was written. This is what is in etcd now, and what you have.</p>
			<Comparison a={shown.theirs.value} b={shown.mine} labels={[theirs, 'mine']} />
			{shown.seen && <p role="status">It has been changed again since. If you write yours now, that is noticed, and nothing is written.</p>}
			{failure && <Problem failure={failure} />}
			<div class="buttons">
				<Button kind="danger" disabled={busy} onClick={() => void editing.overwrite()}>
					Write mine over theirs
				</Button>
				<Button disabled={busy} onClick={editing.takeTheirs}>
					Take theirs
				</Button>
				<Button autofocus kind="primary" disabled={busy} onClick={editing.keepMine}>
					Keep editing mine
				</Button>
			</div>
		</Dialog>
	);
}
