// Bytes as lines of hexadecimal digits, and back.

import { type Bytes, fromArray } from '../../../../api/bytes.ts';

/** Bytes on each line. Each takes three characters: two digits, and what separates it from the next. */
export const perLine = 16;

export function formatHex(bytes: Bytes): string {
	const parts: string[] = [];
	for (let i = 0; i < bytes.length; i++) {
		if (i > 0) parts.push(i % perLine ? ' ' : '\n');
		parts.push(bytes.charCodeAt(i).toString(16).padStart(2, '0'));
	}
	return parts.join('');
}

/** The bytes of the digits, or on which line (from 1) there is something else. */
export function parseHex(text: string): { bytes: Bytes } | { line: number } {
	const out = new Uint8Array(text.length >> 1);
	let length = 0;
	let line = 1;
	for (let i = 0; i < text.length; ) {
		const code = text.charCodeAt(i);
		if (code === 10) line++;
		if (code === 10 || code === 32 || code === 9 || code === 13) {
			i++;
			continue;
		}
		const byte = digit(code) * 16 + digit(text.charCodeAt(i + 1));
		if (Number.isNaN(byte)) return { line };
		out[length++] = byte;
		i += 2;
	}
	return { bytes: fromArray(out.subarray(0, length)) };
}

function digit(code: number): number {
	if (code >= 48 && code <= 57) return code - 48;
	const letter = code | 32;
	return letter >= 97 && letter <= 102 ? letter - 87 : Number.NaN;
}

/** The offset of the byte that a line begins with, if the text before is formatted. */
export function offsetAt(position: number): string {
	return Math.floor(position / 3)
		.toString(16)
		.padStart(6, '0');
}
