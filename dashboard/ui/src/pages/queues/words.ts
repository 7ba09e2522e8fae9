// A lock and an election are the same queue under other words.

import type { Module } from '../../api/modules.ts';
import { fromText, type Bytes } from '../../api/bytes.ts';
import { href, place } from '../../router.ts';
import { gateway, settings } from '../../settings.ts';
import { label } from '../../ui/text.tsx';

export interface Words {
	module: Module;
	page: 'locks' | 'elections';
	title: string;
	one: string;
	many: string;
	/** Who has it, and who wants it. */
	holder: string;
	waiters: string;
	/** It has nobody. */
	free: string;
	/** "it ... for 3m". */
	holds: string;
	/** What the buttons do. */
	end: string;
	cancel: string;
	/** What nobody has yet, and what to do. */
	none: string;
	why: string;
	/** What etcd's own clients call theirs. */
	clients: string;
}

export const lock: Words = {
	module: 'lock',
	page: 'locks',
	title: 'Locks',
	one: 'lock',
	many: 'locks',
	holder: 'Holder',
	waiters: 'Waiting',
	free: 'Nobody holds it',
	holds: 'holds it',
	end: 'Release',
	cancel: 'Cancel',
	none: 'No locks yet',
	why: 'A lock is there when somebody asks for it. This takes one for a minute:',
	clients: 'concurrency.Mutex, etcdctl lock',
};

export const election: Words = {
	module: 'leader',
	page: 'elections',
	title: 'Elections',
	one: 'election',
	many: 'elections',
	holder: 'Leader',
	waiters: 'Candidates',
	free: 'Nobody leads',
	holds: 'leads',
	end: 'Resign',
	cancel: 'Remove',
	none: 'No elections yet',
	why: 'An election is there when somebody stands for it. This leads one for a minute:',
	clients: 'concurrency.Election, etcdctl elect',
};

/** The command that takes a lock, or leads. */
export function command(words: Words, name: string): string {
	const path = `mod/v2/${words.module}/${encodeURIComponent(name).replace(/%2F/g, '/').replace(/'/g, '%27')}?ttl=60`;
	const address = `'${new URL(path, gateway).href}'`;
	return words.module === 'lock' ? `curl -X POST ${address}` : `curl -X PUT ${address} -d name=$(hostname)`;
}

/** Why the page can't write, if it can't. */
export const readOnly = settings.readOnly ? 'The gateway refuses all writes of this dashboard (read_only)' : undefined;

/** Who it is, in a sentence. */
export function who(value: string, index: number): string {
	return value === '-' ? `The one without a value (index ${index})` : `${short(value)} (index ${index})`;
}

/** A name in a sentence. */
export function short(name: string, max = 60): string {
	const text = label(fromText(name));
	return text.length <= max ? text : `${text.slice(0, max)}…`;
}

/** This page's address with some parameters changed; undefined takes one away. */
export function here(page: 'locks' | 'elections', changes: Record<string, string | undefined>): string {
	const all: Record<string, Bytes | undefined> = Object.fromEntries(place.peek().parameters);
	for (const [name, value] of Object.entries(changes)) all[name] = value === undefined ? undefined : fromText(value);
	return href(page, all);
}
