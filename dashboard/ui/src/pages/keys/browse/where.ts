// Which folder and which key the address speaks of.

import type { Bytes } from '../../../api/bytes.ts';
import { normal, parent } from '../../../api/v2.ts';
import { href } from '../../../router.ts';
import { settings, type Space } from '../../../settings.ts';
import { folderOf } from './names.ts';

export interface Where {
	space: Space;
	prefix: Bytes;
	/** The key that is open. */
	key?: Bytes | undefined;
	/** What is searched for below the folder. */
	search?: Bytes | undefined;
}

/** Both spaces are there only where the gateway uses v2: an etcd of that time has v3 too. */
export const both = settings.api === 'v2';

export function where(parameters: ReadonlyMap<string, Bytes>): Where {
	const space: Space = both && parameters.get('space') !== 'v3' ? 'v2' : 'v3';
	const key = parameters.get('key') || undefined;
	const given = parameters.get('prefix');
	const search = parameters.get('search') || undefined;
	if (space === 'v2') {
		const folder = given ?? (key === undefined ? '/' : parent(key));
		return { space, prefix: directory(folder as Bytes), key: key && normal(key), search };
	}
	return { space, prefix: given ?? (key === undefined ? ('' as Bytes) : folderOf(key)), key, search };
}

function directory(path: Bytes): Bytes {
	const plain = normal(path);
	return plain === '/' ? plain : ((plain + '/') as Bytes);
}

/** The address of a place on this page. */
export function to({ space, prefix, key, search }: Where): string {
	return href('keys', { space: both && space === 'v3' ? ('v3' as Bytes) : undefined, prefix, search, key });
}
