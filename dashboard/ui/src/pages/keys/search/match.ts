// Whether something is in a key or a value, and where.

import { type Bytes, toHex, toText } from '../../../api/bytes.ts';
import { hexadecimal } from '../browse/names.ts';

export interface Match {
	/** What is shown around what was found, and what of it was found. */
	before: string;
	found: string;
	after: string;
}

export type Matcher = (bytes: Bytes) => Match | undefined;

const around = 60;

/** Finds a text, whether in capitals or not; or bytes, if it is 0x and hexadecimal digits. */
export function matcher(sought: Bytes): Matcher {
	const text = toText(sought);
	const hex = text === undefined ? sought : hexadecimal(text);
	const folded = text?.toLowerCase();
	return (bytes) => {
		const at = hex === undefined ? -1 : bytes.indexOf(hex);
		if (hex !== undefined && at >= 0) {
			const digits = (from: number, to: number): string => toHex(bytes.slice(Math.max(0, from), to) as Bytes);
			return { before: digits(at - around / 3, at), found: digits(at, at + hex.length), after: digits(at + hex.length, at + hex.length + around) };
		}
		if (folded === undefined) return undefined;
		// Bytes that are not UTF-8 may still have a text in them.
		const whole = toText(bytes) ?? bytes;
		const lower = whole.toLowerCase();
		const index = lower.indexOf(folded);
		if (index < 0) return undefined;
		// A few letters have another length in small letters: then the place is not sure.
		const same = lower.length === whole.length;
		const shown = same ? whole : lower;
		const end = index + folded.length;
		return {
			before: (index > around ? '…' : '') + shown.slice(Math.max(0, index - around), index),
			found: shown.slice(index, end),
			after: shown.slice(end, end + 2 * around),
		};
	};
}
