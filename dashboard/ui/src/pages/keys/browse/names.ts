// How keys make folders: "/" ends a folder's name, and every key stays reachable,
// whatever is between its slashes.

import { type Bytes, fromHex, fromText } from '../../../api/bytes.ts';
import { label } from '../../../ui/text.tsx';

/** The folder that a key is in: all up to its last slash. Of a folder, the one around it. */
export function folderOf(key: Bytes): Bytes {
	const end = key.endsWith('/') ? key.length - 1 : key.length;
	return key.slice(0, key.slice(0, end).lastIndexOf('/') + 1) as Bytes;
}

/** What a key or a folder is called within its folder. A folder's name ends with a slash. */
export function nameIn(prefix: Bytes, key: Bytes): Bytes {
	return key.slice(prefix.length) as Bytes;
}

export interface Crumb {
	prefix: Bytes;
	/** With its slash, but for a prefix that ends in the middle of a name. */
	name: Bytes;
}

/** The folders from the root's first to this one. */
export function crumbs(prefix: Bytes): Crumb[] {
	const found: Crumb[] = [];
	for (let from = 0; from < prefix.length; ) {
		const slash = prefix.indexOf('/', from);
		const to = slash < 0 ? prefix.length : slash + 1;
		found.push({ prefix: prefix.slice(0, to) as Bytes, name: prefix.slice(from, to) as Bytes });
		from = to;
	}
	return found;
}

/** The bytes that 0x and hexadecimal digits stand for. */
export function hexadecimal(text: string): Bytes | undefined {
	return /^0x/i.test(text) && text.length > 2 ? fromHex(text.slice(2)) : undefined;
}

/** What somebody who typed this may mean, the likeliest first. */
export function meant(typed: string, prefix: Bytes): Bytes[] {
	const text = fromText(typed);
	const hex = hexadecimal(typed);
	return [...new Set([...(hex === undefined ? [] : [hex]), text, (prefix + text) as Bytes])];
}

/** A folder, in words: its path, or what the root is called. */
export function folderLabel(prefix: Bytes): string {
	return prefix === '' ? 'all keys' : label(prefix);
}
