// What a text is written in, by what stands in it, and JSON set out in lines.

export type Language = 'json' | 'yaml' | 'text';

/** Longer ones are shown as plain text: to parse them at each keystroke would be felt. */
export const longest = 512 * 1024;

export function detect(text: string): Language {
	if (text.length > longest) return 'text';
	const first = /^\ufeff?\s*(\S)/.exec(text)?.[1];
	if (first === '{' || first === '[') {
		if (problem(text) === undefined) return 'json';
		const [line = '', rest] = text.trim().split(/\n(.*)/s, 2);
		// An object, and then something else, is no JSON as a whole.
		if (rest && problem(line) === undefined) return 'text';
		if (/^\ufeff?\s*(\{\s*["}\n]|\[\s*[[{"\d\]-])/.test(text)) return 'json';
		return 'text';
	}
	return isYAML(text) ? 'yaml' : 'text';
}

function isYAML(text: string): boolean {
	let pairs = 0;
	const lines = text.slice(0, 64 * 1024).split(/\r?\n/);
	if (lines.length < 2) return false;
	for (const line of lines) {
		if (/^(\s*(#.*)?|---.*|\.\.\.)$/.test(line)) continue;
		if (/^\s*(- )*("[^"]*"|'[^']*'|[\w./$<-][^:#]*):(\s|$)/.test(line)) pairs++;
		else if (!/^(\s+\S|- |-$|[\]}])/.test(line)) return false;
	}
	return pairs > 1 || (pairs === 1 && /^(---|#)/.test(text));
}

/** What is wrong with the JSON, the place first; undefined if nothing is. */
export function problem(text: string): string | undefined {
	try {
		JSON.parse(text);
		return undefined;
	} catch (thrown) {
		const message = String(thrown instanceof Error ? thrown.message : thrown);
		const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(message) ?? [];
		const what = message.replace(/ in JSON at position \d+.*$/, '');
		return line ? `line ${line}, column ${column}: ${what}` : what;
	}
}

/**
 * JSON in lines. The tokens themselves stay as they are: 1.0 and numbers of twenty digits,
 * and names that are there twice, would not survive JSON.parse.
 */
export function formatJSON(text: string, lineBreak = '\n'): string {
	let out = '';
	let depth = 0;
	const line = (): string => lineBreak + '  '.repeat(depth);
	const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
	tokens.forEach((token, i) => {
		const opens = token === '{' || token === '[';
		const closes = token === '}' || token === ']';
		const before = tokens[i - 1];
		if (closes) {
			depth--;
			if (before !== '{' && before !== '[') out += line();
		} else if (before === '{' || before === '[' || before === ',') {
			out += line();
		}
		out += token === ':' ? ': ' : token;
		if (opens) depth++;
	});
	return out + (/\n\s*$/.test(text) ? lineBreak : '');
}
