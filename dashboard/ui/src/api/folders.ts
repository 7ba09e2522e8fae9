// "/" in a key ends the name of a folder.

import type { Bytes } from './bytes.ts';

/** The folder within a folder that a key is in, if it is not in the outer one itself. */
export function subfolder(prefix: Bytes, key: Bytes): Bytes | undefined {
	const slash = key.indexOf('/', prefix.length);
	return slash < 0 ? undefined : (key.slice(0, slash + 1) as Bytes);
}
