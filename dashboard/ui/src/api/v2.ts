// etcd's v2 keys: a tree of directories, over JSON. Keys are paths, values are text;
// here both are bytes, as v3's are.

import { type Bytes, fromText, toHex, toText } from './bytes.ts';
import { Failure } from './failure.ts';
import { broken, readJSON, send } from './http.ts';

/** A key or a directory. */
export interface Node {
	/** The whole path. It begins with a slash, and has none at its end; the root is "/". */
	key: Bytes;
	dir: boolean;
	/** Empty for a directory. */
	value: Bytes;
	createdIndex: number;
	modifiedIndex: number;
	/** Seconds left when it was asked for; undefined if it stays. */
	ttl: number | undefined;
	/** When its time is over, by etcd's clock, in milliseconds since 1970. */
	expiration: number | undefined;
	/** What is in the directory, if it was asked for. What begins with "_" is hidden: it is not in here. */
	nodes: Node[];
}

export interface RawNode {
	key?: string;
	dir?: boolean;
	value?: string;
	createdIndex?: number;
	modifiedIndex?: number;
	ttl?: number;
	expiration?: string;
	nodes?: RawNode[];
}

export function node(raw: RawNode): Node {
	return {
		key: fromText(raw.key || '/'),
		dir: raw.dir ?? false,
		value: fromText(raw.value ?? ''),
		createdIndex: raw.createdIndex ?? 0,
		modifiedIndex: raw.modifiedIndex ?? 0,
		ttl: raw.ttl,
		expiration: raw.expiration === undefined ? undefined : Date.parse(raw.expiration),
		nodes: (raw.nodes ?? []).map(node),
	};
}

export interface Answer {
	node: Node;
	/** The store's index at that moment (X-Etcd-Index). A watch from the next one misses nothing. */
	index: number;
	/** The answer's length. */
	bytes: number;
}

/**
 * The path of a key, and its address below the gateway's: each byte that is not plain is
 * percent-encoded, so that keys that are not UTF-8 can be reached too. etcd takes away
 * double slashes and one at the end, and resolves "." and "..": no key has those.
 */
export function address(key: Bytes): string {
	const segments = key.split('/').filter((segment) => segment !== '');
	if (segments.some((segment) => segment === '.' || segment === '..')) throw new Failure('notFound', 'no key of etcd\'s v2 API has "." or ".." in its path');
	return 'v2/keys/' + segments.map((segment) => segment.replace(/[^A-Za-z0-9\-._~:@,!$*]/g, (c) => '%' + c.charCodeAt(0).toString(16).padStart(2, '0'))).join('/');
}

/** The key as etcd spells it: "/" and segments with one slash between. */
export function normal(key: Bytes): Bytes {
	return ('/' + key.split('/').filter(Boolean).join('/')) as Bytes;
}

/** The directory that a key is in; of the root, the root. */
export function parent(key: Bytes): Bytes {
	return (normal(key).replace(/\/[^/]*$/, '') || '/') as Bytes;
}

export interface GetOptions {
	/** Also what is in the directories in it. */
	recursive?: boolean;
	/** Of a longer answer the rest is not read; then it throws TooLong. */
	maxBytes?: number;
}

/** A key, or a directory with what is in it, as the cluster has agreed on. Throws a Failure of the kind 'notFound' if it is not there. */
export function get(key: Bytes, { recursive, maxBytes }: GetOptions = {}, signal?: AbortSignal): Promise<Answer> {
	return call(key, [...(recursive ? ['recursive=true'] : []), 'quorum=true'], { signal }, maxBytes);
}

export interface SetOptions {
	/** Without one, it is a directory. */
	value?: Bytes;
	/** Seconds; undefined is for ever: whatever TTL it had is taken from it. */
	ttl?: number | undefined;
	/** Only if it is (true) or is not (false) there. */
	exists?: boolean;
	/** Only if it was last written at this index. */
	index?: number;
}

/**
 * Writes a key, or makes a directory. Throws a Failure of the kind 'conflict' if it is not as it
 * was expected to be, 'notFound' if it is not there and was to be, 'unknown' if the answer is lost.
 */
export function set(key: Bytes, { value, ttl, exists, index }: SetOptions, signal?: AbortSignal): Promise<Answer> {
	const form: Record<string, string> = {};
	if (value !== undefined) {
		const text = toText(value);
		if (text === undefined) throw new Failure('other', `values of etcd's v2 API are UTF-8, and 0x${toHex(value.slice(0, 20) as Bytes)} is not`);
		form['value'] = text;
	} else {
		form['dir'] = 'true';
	}
	if (ttl !== undefined) form['ttl'] = String(ttl);
	if (exists !== undefined) form['prevExist'] = String(exists);
	if (index !== undefined) form['prevIndex'] = String(index);
	return call(key, [], { method: 'PUT', form, writes: true, signal });
}

export interface RemoveOptions {
	/** Only if it was last written at this index. Not for directories: etcd does not look at it there. */
	index?: number;
	/** It is a directory. It has to be empty, unless it is recursive. */
	dir?: boolean;
	/** With all that is in it, hidden keys too. */
	recursive?: boolean;
}

/** Deletes. Throws a Failure like set. */
export function remove(key: Bytes, { index, dir, recursive }: RemoveOptions = {}, signal?: AbortSignal): Promise<Answer> {
	const query: string[] = [];
	if (index !== undefined) query.push(`prevIndex=${index}`);
	if (dir) query.push('dir=true');
	if (recursive) query.push('recursive=true');
	return call(key, query, { method: 'DELETE', writes: true, signal });
}

async function call(key: Bytes, query: string[], request: Parameters<typeof send>[1] & object, maxBytes?: number): Promise<Answer> {
	const answer = await send(address(key) + (query.length ? '?' + query.join('&') : ''), request);
	try {
		const { body, bytes } = await readJSON<{ node?: RawNode }>(answer, maxBytes);
		return { node: node(body.node ?? {}), index: Number(answer.headers.get('X-Etcd-Index') ?? 0), bytes };
	} catch (thrown) {
		throw broken(thrown, request.signal, request.writes);
	}
}
