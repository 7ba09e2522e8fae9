// Keys, values and names as text, whatever is in them. What an eye could not see, or
// could take for something else, is shown as what it is.

import { type Bytes, toHex, toText } from '../api/bytes.ts';

/** Bytes as text, or as hexadecimal digits if they are not UTF-8. */
export function Data({ bytes, max = 2000 }: { bytes: Bytes; max?: number }) {
	const text = toText(bytes);
	if (text === undefined) {
		return (
			<span class="bytes" title="These bytes are not UTF-8">
				<span class="odd">hex</span> {cut(toHex(bytes), max)}
			</span>
		);
	}
	return <Text text={text} max={max} whole />;
}

/** A text on one line. If it is whole, spaces at its ends are part of it, and are shown. */
export function Text({ text, max = 2000, whole = false }: { text: string; max?: number; whole?: boolean }) {
	if (text === '') return <span class="muted">(empty)</span>;
	const parts = cut(text, max).split(whole ? oddIn(text) : odd);
	return <span class="bytes">{parts.map((part, i) => (i % 2 ? <span class="odd">{name(part)}</span> : part))}</span>;
}

/** Bytes as plain text, for titles and labels. */
export function label(bytes: Bytes): string {
	const text = toText(bytes);
	return text === undefined ? 'hex ' + toHex(bytes) : text.replace(oddIn(text), name);
}

const odd = /([\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}])/gu;
const oddInWhole = /([\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}|(?<=^ *) | (?= *$))/gu;
const oddAndMarks = new RegExp(oddInWhole.source.replace('(', '(\\p{M}|'), 'gu');

/** A letter and its mark, where there is one letter for both, look like that letter. */
function oddIn(text: string): RegExp {
	return text === text.normalize('NFC') ? oddInWhole : oddAndMarks;
}


const names: Record<string, string> = { ' ': '·', '\n': '↵', '\t': '⇥', '\r': '␍', '\0': 'NUL' };

function name(character: string): string {
	return names[character] ?? 'U+' + character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
}

function cut(text: string, max: number): string {
	return text.length <= max ? text : text.slice(0, max) + '…';
}
