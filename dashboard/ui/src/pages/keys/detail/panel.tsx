// A key, in a panel beside the list: what it is, and everything that can be done with it.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bytes, fromText, toHex, toText } from '../../../api/bytes.ts';
import { go, guardLeaving, href, place } from '../../../router.ts';
import { settings, type Space } from '../../../settings.ts';
import { confirm } from '../../../ui/dialog.tsx';
import { Live } from '../../../ui/live.tsx';
import { Busy, Button, Copy, Empty, Problem } from '../../../ui/parts.tsx';
import { Data, label } from '../../../ui/text.tsx';
import { Conflict } from './conflict/conflict.tsx';
import { deleteKey } from './delete.ts';
import type { KeyDetailProps } from './detail.tsx';
import { current, isEdited, type Seen, type Version } from './edit.ts';
import { type Editing, open } from './editing.ts';
import { Facts } from './facts.tsx';
import { History } from './history/history.tsx';
import { LeaseDialog } from './lease/lease-dialog.tsx';
import { meaningOf } from './own-keys.ts';
import { openForReader } from './reader.ts';
import { openStore } from './store.ts';
import { Value } from './value.tsx';

/** The key, and for whom alone it is kept, if it may not be shown now. */
function useEditing(space: Space, name: Bytes): { editing: Editing; hidden: string | undefined } | undefined {
	const [shown, show] = useState<{ editing: Editing; hidden: string | undefined }>();
	useEffect(
		() =>
			openForReader(
				() => open(openStore(space, name)),
				(editing, hidden) => show({ editing, hidden }),
			),
		[space, name],
	);
	return shown;
}

export function KeyPanel({ space, name, folder, onClose, takesFocus }: KeyDetailProps & { takesFocus: () => boolean }) {
	const shown = useEditing(space, name);
	return shown ? <Panel {...shown} folder={folder} onClose={onClose} takesFocus={takesFocus} /> : null;
}

/** Asks before edited text is left behind. Other views of the same key leave nothing behind. */
function useGuard(editing: Editing): void {
	const edited = isEdited(editing.edit.value);
	useEffect(() => {
		if (!edited) return;
		const here = place.peek();
		return guardLeaving(async (to) => {
			if (!isEdited(editing.edit.peek())) return true;
			if (to.page === here.page && to.parameters.get('key') === here.parameters.get('key') && to.parameters.get('space') === here.parameters.get('space')) return true;
			return confirm({
				title: 'Leave without saving?',
				body: `What you have edited in ${label(editing.store.name)} is not saved. If you leave, it is lost.`,
				action: 'Leave without saving',
				danger: true,
			});
		});
	}, [edited, editing]);
}

function Panel({ editing, folder, hidden, onClose, takesFocus }: { editing: Editing; folder: Bytes; hidden: string | undefined; onClose: () => void; takesFocus: () => boolean }) {
	const { store, draft } = editing;
	const edit = editing.edit.value;
	const { stage } = edit;
	const now = current(edit);
	const [asking, setAsking] = useState(false);
	const panel = useRef<HTMLElement>(null);
	const history = place.value.parameters.get('view') === 'history';
	useGuard(editing);

	useEffect(() => {
		const back = document.activeElement;
		// Who has loaded this very address has not come from anywhere.
		if (back instanceof HTMLElement && back !== document.body && takesFocus()) panel.current?.focus({ preventScroll: true });
		return () => {
			const within = document.activeElement === document.body || panel.current?.contains(document.activeElement);
			if (!within) return;
			const to = back instanceof HTMLElement && back !== document.body && back.isConnected ? back : document.getElementById('main');
			to?.focus({ preventScroll: true });
		};
	}, []);

	const show = (view: 'history' | undefined): void => {
		void go(href('keys', { ...Object.fromEntries(place.peek().parameters), view: view && fromText(view) }), { replace: true });
	};
	const readOnly = settings.readOnly ? 'This dashboard is for reading only: the gateway refuses its writes' : undefined;
	const busy = stage.is === 'saving' || stage.is === 'unknown';
	const save = (): void => void editing.save();
	const there = stage.is !== 'opening' && stage.is !== 'missing' && !(now?.dir ?? false);
	const failure = editing.failure.value;
	const told = (seen: Seen, deleted: boolean): void => {
		if (deleted) editing.discard(); // what was typed goes with it
		editing.tell(seen);
	};

	return (
		<aside
			ref={panel}
			class="key-detail"
			tabIndex={-1}
			aria-label={`Key ${label(store.name)}`}
			onKeyDown={(event) => {
				// In the editor, Escape is the way out of it, and closes its search.
				if (event.key === 'Escape' && !event.defaultPrevented && !(event.target as HTMLElement).closest('.value-field, dialog')) onClose();
				if (event.key === 's' && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
					event.preventDefault();
					save();
				}
			}}
		>
			<header>
				<Name name={store.name} folder={folder} />
				<Copy text={toText(store.name) ?? toHex(store.name)} label="Copy key" />
				<Button small kind="plain" aria-label="Close this key" title="Close (Escape)" onClick={onClose}>
					✕
				</Button>
			</header>
			{now && hidden === undefined && <Facts store={store} version={now} />}
			<div class="key-tabs">
				<div role="tablist" aria-label="Views of this key">
					<Tab id="value" selected={!history} onSelect={() => show(undefined)}>
						Value
					</Tab>
					<Tab id="history" selected={history} onSelect={() => show('history')}>
						History
					</Tab>
				</div>
				<Live stream={editing.stream} />
			</div>
			{hidden !== undefined && <Empty title="You are signed out">What you have edited is kept for {hidden}. Sign in again to go on.</Empty>}
			{hidden === undefined && <Notices editing={editing} />}
			{failure && stage.is !== 'conflict' && stage.is !== 'unknown' && (
				<Problem failure={failure}>{failure.kind === 'signIn' && <p>Your text is kept. Sign in, then save again.</p>}</Problem>
			)}
			<div id="key-view-value" class="key-view" role="tabpanel" aria-labelledby="key-tab-value" hidden={history || hidden !== undefined}>
				{stage.is === 'opening' && (editing.stream.failure.value ? <Problem failure={editing.stream.failure.value} retry={editing.stream.retry} /> : <Busy />)}
				{stage.is === 'missing' && <Gone editing={editing} />}
				{now?.dir && <Empty title="This is a directory">It has no value of its own. What is in it stands in the list.</Empty>}
				{there && (
					<>
						<Value draft={draft} label={`Value of ${label(store.name)}`} readOnly={readOnly !== undefined} onSave={save} />
						<div class="key-actions">
							<Button kind="primary" disabled={!isEdited(edit) || busy || readOnly !== undefined || draft.wrong.value !== undefined} title={readOnly ?? draft.wrong.value ?? 'Ctrl+S, or Cmd+S'} onClick={save}>
								{stage.is === 'saving' ? 'Saving…' : 'Save'}
							</Button>
							<Button disabled={(stage.is !== 'dirty' && stage.is !== 'changed') || busy} onClick={editing.discard}>
								Discard
							</Button>
							<span class="key-state" role="status">
								{word(stage.is) || editing.done.value}
							</span>
							<span class="key-others">
								<Button disabled={readOnly !== undefined || busy || !now} title={readOnly} onClick={() => setAsking(true)}>
									{store.space === 'v3' ? 'Lease…' : 'TTL…'}
								</Button>
								<Button
									kind="danger"
									disabled={readOnly !== undefined || busy || !now}
									title={readOnly}
									onClick={() => now && void deleteKey(store, now, told).then((gone) => gone && onClose())}
								>
									Delete…
								</Button>
							</span>
						</div>
					</>
				)}
			</div>
			{history && hidden === undefined && (
				<div id="key-view-history" class="key-view" role="tabpanel" aria-labelledby="key-tab-history">
					{stage.is === 'opening' ? <Busy /> : <History editing={editing} />}
				</div>
			)}
			{hidden === undefined && <Conflict editing={editing} />}
			{asking && hidden === undefined && <LeaseDialog editing={editing} onClose={() => setAsking(false)} />}
		</aside>
	);
}

function word(is: string): string {
	switch (is) {
		case 'dirty':
		case 'changed':
			return 'Edited, not saved';
		case 'saving':
			return 'Saving…';
		case 'unknown':
			return 'Looking whether it was saved…';
		default:
			return '';
	}
}

/** The key, whole: the folder quiet, its own name not. */
function Name({ name, folder }: { name: Bytes; folder: Bytes }) {
	const quiet = folder !== '' && name.startsWith(folder) && name.length > folder.length ? folder : (name.slice(0, name.slice(0, -1).lastIndexOf('/') + 1) as Bytes);
	const own = name.slice(quiet.length) as Bytes;
	// Half of a character is no text: then it is shown as a whole.
	if (quiet === '' || (toText(name) !== undefined && (toText(quiet) === undefined || toText(own) === undefined))) {
		return (
			<h2 class="key-name">
				<Data bytes={name} max={4000} />
			</h2>
		);
	}
	return (
		<h2 class="key-name">
			<span class="muted">
				<Data bytes={quiet} max={4000} />
			</span>
			<Data bytes={own} max={4000} />
		</h2>
	);
}

function Tab({ id, selected, onSelect, children }: { id: string; selected: boolean; onSelect: () => void; children: ComponentChildren }) {
	return (
		<button
			type="button"
			id={`key-tab-${id}`}
			role="tab"
			aria-selected={selected}
			aria-controls={selected ? `key-view-${id}` : undefined}
			tabIndex={selected ? 0 : -1}
			onClick={onSelect}
			onKeyDown={(event) => {
				if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
				const other = event.currentTarget.parentElement?.querySelector<HTMLElement>('[aria-selected=false]');
				other?.click();
				other?.focus();
			}}
		>
			{children}
		</button>
	);
}

/** What has happened to the key while it was edited. */
function Notices({ editing }: { editing: Editing }) {
	const { stage } = editing.edit.value;
	const own = meaningOf(editing.store.space, editing.store.name);
	if (stage.is === 'changed') return stage.theirs ? <Changed editing={editing} theirs={stage.theirs} /> : <Deleted editing={editing} />;
	if (stage.is === 'unknown') {
		return (
			<div class="note warn" role="alert">
				<div>
					<strong>The answer to the save got lost</strong>
					<p>Whether it was saved is found out as soon as etcd answers again. Nothing is saved twice, and your text stays here.</p>
				</div>
			</div>
		);
	}
	if (own && stage.is === 'dirty') {
		return (
			<div class="note warn" role="status">
				<div>
					<strong>This key is the gateway's own</strong>
					<p>Its locks and elections are in keys like this. Another value may break what waits for it.</p>
				</div>
			</div>
		);
	}
	return null;
}

function Changed({ editing, theirs }: { editing: Editing; theirs: Version }) {
	return (
		<div class="note warn" role="alert">
			<div>
				<strong>Somebody has changed it meanwhile</strong>
				<p>It is at revision {theirs.revision} now. Your text is kept.</p>
			</div>
			<Button small disabled={editing.draft.wrong.value !== undefined} onClick={editing.compare}>
				See both
			</Button>
			<Button small onClick={editing.takeTheirs}>
				Take theirs
			</Button>
		</div>
	);
}

function Deleted({ editing }: { editing: Editing }) {
	return (
		<div class="note warn" role="alert">
			<div>
				<strong>The key is deleted, or has expired</strong>
				<p>Your text is kept. To save it creates the key again, without a lease or TTL.</p>
			</div>
			<Button small onClick={editing.takeTheirs}>
				Discard mine
			</Button>
		</div>
	);
}

function Gone({ editing }: { editing: Editing }) {
	const { at, stage } = editing.edit.value;
	const last = stage.is === 'missing' ? stage.last : undefined;
	return (
		<Empty title={last ? 'The key is gone' : 'There is no such key'}>
			{editing.store.space === 'v3' ? (
				<>
					{last
						? `It was deleted, or has expired, after revision ${last}. With that revision, the history can bring it back.`
						: `It is not in etcd as of revision ${at}: it was deleted, or has expired, or never was. If you know a revision at which it was there, the history can bring it back.`}
				</>
			) : (
				'It is not in etcd: it was deleted, or has expired, or never was.'
			)}
		</Empty>
	);
}
