// Which keys are the gateway's own: it has its locks, its elections and itself in them, below
// one prefix (README, "What is in etcd"), in the key space of the API that it uses.

import { settings, type Space } from '../settings.ts';
import { type Bytes, fromText } from './bytes.ts';

/** What is below the prefix. */
const parts = ['lock', 'leader', 'gateway', 'lease', 'cancelled'] as const;
export type Part = (typeof parts)[number];

/** All of the gateway's keys begin with it. */
const prefix = fromText(settings.prefix.replace(/\/?$/, '/'));

/** The folder of a part. */
export function partOf(part: Part): Bytes {
	return (prefix + part + '/') as Bytes;
}

/** A key of the gateway's. */
export interface Own {
	/** Undefined if it is none of those that this page knows. */
	part: Part | undefined;
	/** What is behind the part's folder. */
	rest: Bytes;
}

/** What a key is to the gateway; undefined if it is somebody else's. */
export function own(space: Space, key: Bytes): Own | undefined {
	if (space !== settings.api || !key.startsWith(prefix)) return undefined;
	const part = parts.find((name) => key.startsWith(partOf(name)));
	return { part, rest: key.slice((part ? partOf(part) : prefix).length) as Bytes };
}

/** Whether it is one of the gateway's keys, or a folder that is named for them. */
export function isGateways(space: Space, key: Bytes): boolean {
	return own(space, key) !== undefined || (key.length > 1 && key.endsWith('/') && hasGateways(space, key));
}

/** Whether some of the gateway's keys are below a folder. */
export function hasGateways(space: Space, folder: Bytes): boolean {
	return space === settings.api && (folder.startsWith(prefix) || prefix.startsWith(folder));
}
