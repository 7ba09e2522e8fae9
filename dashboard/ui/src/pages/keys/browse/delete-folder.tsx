// Asks before all that is below a folder is deleted.

import { useEffect, useState } from 'preact/hooks';
import { type Bytes, fromText, isPlain, toText } from '../../../api/bytes.ts';
import { asFailure, type Failure } from '../../../api/failure.ts';
import { hasGateways } from '../../../api/own.ts';
import type { Space } from '../../../settings.ts';
import { Dialog, say } from '../../../ui/dialog.tsx';
import { Busy, Button, count as said, Problem } from '../../../ui/parts.tsx';
import { Data } from '../../../ui/text.tsx';
import { spaces } from './spaces.ts';

const many = 100;

export function DeleteFolder({ space, prefix, onClose, onDeleted }: { space: Space; prefix: Bytes; onClose(): void; onDeleted(): void }) {
	const [count, setCount] = useState<{ keys: number | undefined }>();
	const [failure, setFailure] = useState<Failure>();
	const [typed, setTyped] = useState('');
	const [busy, setBusy] = useState(false);
	useEffect(() => {
		const own = new AbortController();
		spaces[space].count(prefix, own.signal).then(
			(keys) => setCount({ keys }),
			(thrown: unknown) => !own.signal.aborted && setFailure(asFailure(thrown)),
		);
		return () => own.abort();
	}, [space, prefix]);

	const keys = count?.keys;
	const text = toText(prefix);
	// Who loses much, or takes locks from their holders, types its name.
	const expected = text === undefined || !isPlain(text) ? fromText('delete this folder') : prefix.length < 3 ? fromText(`everything below ${text}`) : prefix;
	const gateways = hasGateways(space, prefix);
	const careful = count !== undefined && (keys === undefined || keys > many || gateways);
	const sure = count !== undefined && (!careful || fromText(typed.trim()) === expected);
	const remove = async (): Promise<void> => {
		setBusy(true);
		setFailure(undefined);
		try {
			await spaces[space].removeFolder(prefix);
			say('Deleted');
			onDeleted();
		} catch (thrown) {
			setFailure(asFailure(thrown));
			setBusy(false);
		}
	};
	return (
		<Dialog title="Delete a folder" onClose={onClose}>
			<p>
				<Data bytes={prefix} max={200} />
			</p>
			{!count && !failure && <Busy>Counting…</Busy>}
			{count && (
				<p>
					{keys === undefined ? 'There are more keys below it than can be counted here.' : keys === 1 ? 'There is 1 key below it.' : `There are ${said(keys)} keys below it.`} They are deleted at once, and so are those that
					are made below it meanwhile. There is no way to bring all of them back at once.
				</p>
			)}
			{gateways && <p class="note warn">Locks and elections are in there: deleting them takes each lock from its holder.</p>}
			{careful && (
				<label class="field">
					<span>
						To confirm, type <code>{toText(expected)}</code>
					</span>
					<input class="input data" value={typed} autocomplete="off" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
				</label>
			)}
			{failure && <Problem failure={failure} />}
			<div class="buttons">
				<Button autofocus onClick={onClose}>
					Cancel
				</Button>
				<Button kind="danger" disabled={!sure || busy} onClick={() => void remove()}>
					{keys === undefined ? 'Delete all' : keys === 1 ? 'Delete 1 key' : `Delete ${said(keys)} keys`}
				</Button>
			</div>
		</Dialog>
	);
}
