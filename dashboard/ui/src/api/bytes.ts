// Keys and values are bytes. Here they are strings in which each character is one
// byte: such strings can be compared, sorted in etcd's order, and used as keys of a
// Map, and base64 is what the browser makes of them by itself.

declare const bytes: unique symbol;

/** Bytes, one a character. */
export type Bytes = string & { readonly [bytes]: true };

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function fromArray(array: Uint8Array): Bytes {
	let out = '';
	for (let i = 0; i < array.length; i += 8192) {
		out += String.fromCharCode(...array.subarray(i, i + 8192));
	}
	return out as Bytes;
}

export function toArray(b: Bytes): Uint8Array<ArrayBuffer> {
	const out = new Uint8Array(b.length);
	for (let i = 0; i < b.length; i++) out[i] = b.charCodeAt(i);
	return out;
}

/** The bytes of a text in UTF-8. */
export function fromText(text: string): Bytes {
	return fromArray(encoder.encode(text));
}

/** The text, or undefined if the bytes are not UTF-8. */
export function toText(b: Bytes): string | undefined {
	if (/^[\x00-\x7f]*$/.test(b)) return b;
	try {
		return decoder.decode(toArray(b));
	} catch {
		return undefined;
	}
}

export function fromBase64(text: string | undefined): Bytes {
	return atob(text ?? '') as Bytes;
}

export function toBase64(b: Bytes): string {
	return btoa(b);
}

/** Two digits a byte, without anything between. */
export function toHex(b: Bytes): string {
	let out = '';
	for (let i = 0; i < b.length; i++) out += b.charCodeAt(i).toString(16).padStart(2, '0');
	return out;
}

/** The bytes of hexadecimal digits; white space may stand between bytes. */
export function fromHex(text: string): Bytes | undefined {
	const digits = text.replace(/\s+/g, '');
	if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) return undefined;
	return digits.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16))) as Bytes;
}

/**
 * The first key behind all that begin with a prefix, as etcd's range_end. "\0" means
 * that there is none: the range goes on to the last key.
 */
export function prefixEnd(prefix: Bytes): Bytes {
	for (let i = prefix.length - 1; i >= 0; i--) {
		const byte = prefix.charCodeAt(i);
		if (byte < 0xff) return (prefix.slice(0, i) + String.fromCharCode(byte + 1)) as Bytes;
	}
	return '\0' as Bytes;
}

/** The key that comes next after this one. */
export function successor(key: Bytes): Bytes {
	return (key + '\0') as Bytes;
}

/**
 * The bytes as they stand in the query of an address: readable where that is
 * safe, percent-encoded elsewhere.
 */
export function toQuery(b: Bytes): string {
	return b.replace(/[^A-Za-z0-9\-._~/:@,!$*]/g, (c) => '%' + c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase());
}

/** The bytes that a part of an address stands for, whatever is wrong with it. */
export function fromQuery(text: string): Bytes {
	return fromText(text).replace(/%([0-9a-f]{2})/gi, (_, pair: string) => String.fromCharCode(Number.parseInt(pair, 16))) as Bytes;
}

/** Whether a text has nothing that an eye could not see. */
export function isPlain(text: string): boolean {
	return !/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(text);
}
