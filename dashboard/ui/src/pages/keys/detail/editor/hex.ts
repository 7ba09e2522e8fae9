// Bytes as lines of hexadecimal digits, and back.

import type { Bytes } from '../../../../api/bytes.ts';

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
	const parts: string[] = [];
	let line = 1;
	for (let i = 0; i < text.length; ) {
		const c = text[i];
		if (c === '\n') line++;
		if (c === '\n' || c === ' ' || c === '\t' || c === '\r') {
			i++;
			continue;
		}
		const pair = text.slice(i, i + 2);
		if (!/^[0-9a-f]{2}$/i.test(pair)) return { line };
		parts.push(String.fromCharCode(Number.parseInt(pair, 16)));
		i += 2;
	}
	return { bytes: parts.join('') as Bytes };
}

/** The offset of the byte that a line begins with, if the text before is formatted. */
export function offsetAt(position: number): string {
	return Math.floor(position / 3)
		.toString(16)
		.padStart(6, '0');
}
