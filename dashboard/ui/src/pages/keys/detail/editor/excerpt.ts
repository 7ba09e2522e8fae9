// Of two long texts, what is around that in which they differ: to compare them whole would
// take minutes.

/** Longer ones are compared in excerpts. */
export const whole = 64 * 1024;

const around = 1000;

export interface Excerpt {
	a: string;
	b: string;
	/** Something before or after it is the same, and is left out. */
	cut: boolean;
	/** Something that differs is left out. */
	more: boolean;
}

export function excerpt(a: string, b: string, max = whole): Excerpt {
	if (a.length <= max && b.length <= max) return { a, b, cut: false, more: false };
	const shorter = Math.min(a.length, b.length);
	let start = 0;
	while (start < shorter && a.charCodeAt(start) === b.charCodeAt(start)) start++;
	let end = 0;
	while (end < shorter - start && a.charCodeAt(a.length - 1 - end) === b.charCodeAt(b.length - 1 - end)) end++;
	const from = boundary(a, Math.max(0, start - around));
	const after = Math.max(0, end - around);
	const part = (text: string): string => text.slice(from, Math.min(boundary(text, text.length - after), from + max));
	return { a: part(a), b: part(b), cut: from > 0 || after > 0, more: a.length - after - from > max || b.length - after - from > max };
}

/** Not between the two halves of a character. */
function boundary(text: string, at: number): number {
	const code = text.charCodeAt(at);
	return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
