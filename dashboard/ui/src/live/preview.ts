// One line that says what is in a value.

import { type Bytes, toText } from '../api/bytes.ts';
import type { Preview } from './entries.ts';

const shown = 240;
const compacted = 4096; // longer values are not parsed for a line

export function preview(value: Bytes): Preview {
	const size = value.length;
	const text = toText(size <= compacted ? value : whole(value.slice(0, 4 * shown) as Bytes));
	if (text === undefined) return { text: hex(value), size, binary: true };
	return { text: line(text), size, binary: false };
}

function line(text: string): string {
	if (/^\s*[[{]/.test(text)) {
		try {
			JSON.parse(text);
			// Its own digits and names, whatever a number of JavaScript could hold.
			return text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, string: string | undefined) => string ?? '').slice(0, shown);
		} catch {
			// It only begins like JSON, or has been cut.
		}
	}
	return text.slice(0, 2 * shown).replace(/[ \t]*\r?\n\s*/g, '\n').trim().slice(0, shown);
}

/** Without a character at the end that the cut has left half of. */
function whole(bytes: Bytes): Bytes {
	return bytes.replace(/[\xc0-\xff][\x80-\xbf]{0,2}$/, '') as Bytes;
}

function hex(value: Bytes): string {
	return [...value.slice(0, 60)].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join(' ');
}
