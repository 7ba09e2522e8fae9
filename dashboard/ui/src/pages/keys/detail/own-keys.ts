// The keys that the gateway itself has in etcd, and what it means to change one by hand.

import type { Bytes } from '../../../api/bytes.ts';
import { settings } from '../../../settings.ts';
import type { Space } from './store.ts';

const meanings: [part: string, changed: string][] = [
	['lock/', 'It is an entry of a lock. Deleted, its holder loses the lock and the next in the queue has it, while the old holder may not know. The Locks page does the same, and says whose it is.'],
	['leader/', 'It is an entry of an election. Deleted, its leader is one no longer and the next candidate leads. The Elections page does the same, and says whose it is.'],
	['gateway/', 'It says that a gateway is alive. Deleted, whoever waits at that gateway loses their place in the queue.'],
	['lease/', 'It tells the gateway whether a holder has run out of time or was deleted. Deleted, an expiry may be told as a release.'],
];

/** What changing or deleting the key means, if it is one of the gateway's own. */
export function ownKey(space: Space, name: Bytes): string | undefined {
	const prefix = settings.prefix.replace(/\/?$/, '/');
	if (space !== settings.api || !name.startsWith(prefix)) return undefined;
	const rest = name.slice(prefix.length);
	return meanings.find(([part]) => rest.startsWith(part))?.[1] ?? 'The gateway keeps its locks and elections with it. Changed by hand, they may be lost.';
}
