// Line breaks: a text's own survive an editor that knows one kind of them only.

export type Break = '\n' | '\r\n';

/**
 * What separates a text's lines for an editor. Only where each line ends with both
 * characters do both belong to the end; else a "\r" is one of the line's own characters.
 */
export function lineBreak(text: string): Break {
	return text.includes('\r\n') && !/(^|[^\r])\n/.test(text) ? '\r\n' : '\n';
}

/** Lines as a <textarea> has them: with "\n" between, whatever it was. */
export function plain(text: string): string {
	return text.replace(/\r\n?/g, '\n');
}

/**
 * The text after an edit in a <textarea>: what comes before and after the edit keeps its
 * own line breaks, and new lines get those that the text has.
 */
export function edited(text: string, after: string): string {
	const before = plain(text);
	let start = 0;
	const shorter = Math.min(before.length, after.length);
	while (start < shorter && before[start] === after[start]) start++;
	let end = 0;
	while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
	const from = position(text, start);
	const to = position(text, before.length - end);
	return text.slice(0, from) + after.slice(start, after.length - end).replace(/\n/g, lineBreak(text)) + text.slice(to);
}

/** Where in the text the character stands that is at this place in its plain form. */
function position(text: string, at: number): number {
	let i = 0;
	for (let n = 0; n < at; n++) i += text[i] === '\r' && text[i + 1] === '\n' ? 2 : 1;
	return i;
}
