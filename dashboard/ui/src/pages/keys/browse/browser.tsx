// The folder that is open: the tree beside it, its table, and the key that is open in it.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import { isGateways } from '../../../api/own.ts';
import type { Entry } from '../../../live/entries.ts';
import type { Folder } from '../../../live/folder.ts';
import { go, href } from '../../../router.ts';
import { gateway, settings } from '../../../settings.ts';
import { Live } from '../../../ui/live.tsx';
import { Busy, Button, count, Empty, Page, Problem } from '../../../ui/parts.tsx';
import { CreateKey } from '../detail/create.tsx';
import { deleteKey } from '../detail/delete.ts';
import { KeyDetail } from '../detail/detail.tsx';
import { openStore } from '../detail/store.ts';
import { SearchField } from '../search/field.tsx';
import { SearchResults } from '../search/results.tsx';
import { Branches } from './branches.ts';
import { Crumbs } from './crumbs.tsx';
import { DeleteFolder } from './delete-folder.tsx';
import { GoTo } from './go-to.tsx';
import { folderLabel, folderOf } from './names.ts';
import { spaces } from './spaces.ts';
import { Table } from './table.tsx';
import { Tree } from './tree.tsx';
import { both, to, type Where } from './where.ts';

export function Browser({ at, landed }: { at: Where; landed: boolean }) {
	const { space, prefix, key, search } = at;
	const folder = useFolder(at);
	const branches = useMemo(() => new Branches(space), [space]);
	useEffect(() => branches.reveal(prefix), [branches, prefix]);
	const [creating, setCreating] = useState<Bytes>();
	const [deleting, setDeleting] = useState<Bytes>();
	const field = useRef<HTMLInputElement>(null);
	const box = useRef<HTMLDivElement>(null);
	useShortcuts({ '/': () => field.current?.focus(), ...(!settings.readOnly && { n: () => setCreating(prefix) }) });
	useLanding(folder, landed && search === undefined && key === undefined);

	const { root } = spaces[space];
	const up = (): void => {
		if (prefix !== root) void go(to({ space, prefix: folderOf(prefix) }));
	};
	const close = (): void => {
		void go(to({ space, prefix, search })).then(() => box.current?.querySelector<HTMLElement>('.rows')?.focus({ preventScroll: true }));
	};
	const remove = async (entry: Entry): Promise<void> => {
		if (entry.folder) {
			setDeleting(entry.key);
			return;
		}
		await deleteKey(openStore(space, entry.key), { revision: entry.modified });
		box.current?.querySelector<HTMLElement>('.rows')?.focus({ preventScroll: true });
	};
	return (
		<Page
			title="Keys"
			full
			beside={
				<>
					{both && <Spaces at={at} />}
					{folder && <Live stream={folder.stream} />}
				</>
			}
			actions={
				<>
					{prefix !== root && (
						<Button kind="danger" disabled={settings.readOnly} onClick={() => setDeleting(prefix)}>
							Delete folder…
						</Button>
					)}
					<Button kind="primary" disabled={settings.readOnly} title="Shortcut: n" onClick={() => setCreating(prefix)}>
						New key
					</Button>
				</>
			}
		>
			<div class={`keys ${key === undefined ? '' : 'detailed'}`} ref={box}>
				<div class="keys-bar">
					<Crumbs space={space} prefix={prefix} />
					{folder && <Sum folder={folder} />}
					<GoTo space={space} prefix={prefix} field={field} onCreate={setCreating} />
					<SearchField at={at} />
				</div>
				<div class="keys-panes">
					<div class="keys-side">
						<Tree space={space} prefix={prefix} branches={branches} live={folder} />
					</div>
					<div class="keys-main">
						{isGateways(space, prefix) && (
							<p class="keys-own">
								These keys are the gateway's: its <a href={href('locks')}>locks</a> and <a href={href('elections')}>elections</a> have pages of their own. Deleting one of these takes a lock from its holder.
							</p>
						)}
						{search !== undefined ? (
							<SearchResults key={`${space} ${prefix} ${search}`} at={at} search={search} />
						) : (
							folder && <Content folder={folder} at={at} onUp={up} onClose={close} onRemove={settings.readOnly ? undefined : (entry) => void remove(entry)} />
						)}
					</div>
					{key !== undefined && (
						<div class="keys-detail">
							<KeyDetail key={space + key} space={space} name={key} folder={prefix} onClose={close} />
						</div>
					)}
				</div>
			</div>
			{creating !== undefined && <CreateKey space={space} prefix={creating} onClose={() => setCreating(undefined)} />}
			{deleting !== undefined && (
				<DeleteFolder
					space={space}
					prefix={deleting}
					onClose={() => setDeleting(undefined)}
					onDeleted={() => {
						setDeleting(undefined);
						if (deleting === prefix) up();
					}}
				/>
			)}
		</Page>
	);
}

/** The folder, kept as long as it is looked at. */
function useFolder({ space, prefix }: Where): Folder | undefined {
	const [folder, setFolder] = useState<Folder>();
	useEffect(() => {
		const opened = spaces[space].open(prefix);
		setFolder(opened);
		return () => opened.stop();
	}, [space, prefix]);
	return folder?.space === space && folder.prefix === prefix ? folder : undefined;
}

/** Where all keys begin with a slash, the page begins in that folder. */
function useLanding(folder: Folder | undefined, landed: boolean): void {
	const drawn = folder?.drawn.value;
	useEffect(() => {
		const [first, second] = folder?.entries ?? [];
		if (landed && folder?.ready && folder.complete && first?.key === '/' && first.folder && !second) void go(to({ space: folder.space, prefix: first.key }), { replace: true });
	}, [folder, landed, drawn]);
}

function useShortcuts(shortcuts: Record<string, () => void>): void {
	const latest = useRef(shortcuts);
	latest.current = shortcuts;
	useEffect(() => {
		const onKey = (event: KeyboardEvent): void => {
			const action = latest.current[event.key];
			const target = event.composedPath()[0];
			const typing = target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select, [role=textbox]'));
			if (!action || typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
			event.preventDefault();
			action();
		};
		document.addEventListener('keydown', onKey);
		return () => document.removeEventListener('keydown', onKey);
	}, []);
}

function Spaces({ at }: { at: Where }) {
	return (
		<nav class="keys-spaces" aria-label="Key space">
			{(['v2', 'v3'] as const).map((space) => (
				<a key={space} href={to({ space, prefix: spaces[space].root })} aria-current={space === at.space ? 'true' : undefined} title={`The keys of etcd's ${space} API: they have nothing to do with the other ones`}>
					{space}
				</a>
			))}
		</nav>
	);
}

function Sum({ folder }: { folder: Folder }) {
	folder.drawn.value;
	if (!folder.ready) return null;
	if (folder.space === 'v2') return <span class="muted keys-sum">{count(folder.count)} in it</span>;
	return (
		<span class="muted keys-sum">
			{count(folder.count)} {folder.count === 1 ? 'key' : 'keys'}
		</span>
	);
}

function Content({ folder, at, onUp, onClose, onRemove }: { folder: Folder; at: Where; onUp(): void; onClose(): void; onRemove: ((entry: Entry) => void) | undefined }) {
	folder.drawn.value;
	const stopped = folder.stream.failure.value;
	if (!folder.ready) {
		if (!stopped) return <Busy />;
		return (
			<Problem failure={stopped} retry={folder.stream.retry}>
				{stopped.kind === 'forbidden' && <p>Or go to a folder that you may read, by its name.</p>}
			</Problem>
		);
	}
	if (folder.rows === 0) return <Nothing folder={folder} />;
	const failure = folder.failure.value;
	return (
		<>
			<Table folder={folder} opened={at.key} onUp={onUp} onClose={onClose} onRemove={onRemove} />
			{failure && <Problem failure={failure} retry={() => folder.want(folder.entries.length + 200)} />}
		</>
	);
}

function Nothing({ folder: { space, prefix, missing } }: { folder: Folder }) {
	const { root } = spaces[space];
	if (missing === 'key') {
		const key = prefix.slice(0, -1) as Bytes;
		return (
			<Empty title="This is a key, not a directory">
				<a href={to({ space, prefix: folderOf(key), key })}>Open it</a>
			</Empty>
		);
	}
	if (prefix === root) {
		const command = space === 'v2' ? `curl -X PUT ${gateway.href}v2/keys/greeting -d value=hello` : `etcdctl --endpoints ${gateway.origin} put greeting hello`;
		return (
			<Empty title="There are no keys yet" command={command}>
				They show here as soon as they are written{space === 'v2' ? '; but not those that begin with "_", which etcd hides: go to them by their names' : ''}.
			</Empty>
		);
	}
	if (space === 'v2' && missing === 'no') return <Empty title="This directory is empty">What begins with "_" is hidden by etcd: go to it by its name.</Empty>;
	return (
		<Empty title={`There is nothing in ${folderLabel(prefix).slice(0, 200)}`}>
			All of its keys have been deleted or have expired, or there never were any. <a href={to({ space, prefix: folderOf(prefix) })}>Go up to {folderLabel(folderOf(prefix)).slice(0, 200)}</a>
		</Empty>
	);
}
