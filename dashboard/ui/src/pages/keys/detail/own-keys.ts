// The keys that the gateway itself has in etcd, and what it means to change one by hand.

import type { Bytes } from '../../../api/bytes.ts';
import { own, type Part } from '../../../api/own.ts';
import type { Space } from '../../../settings.ts';

const meanings: Record<Part, string> = {
	lock: 'It is an entry of a lock. Deleted, its holder loses the lock and the next in the queue has it, while the old holder may not know; a request that waits queues again. The Locks page says whose it is, releases it, or cancels the request.',
	leader: 'It is an entry of an election. Deleted, its leader is one no longer and the next candidate leads; a candidate that waits queues again. The Elections page says whose it is, and has them resign.',
	gateway: 'It says that a gateway is alive. Deleted, whoever waits at that gateway loses their place in the queue.',
	lease: 'It tells the gateway whether a holder has run out of time or was deleted. Deleted, an expiry may be told as a release.',
	cancelled: 'It says that somebody cancelled a request that waited. Deleted, that request may queue again.',
};

/** What changing or deleting the key means, if it is one of the gateway's own. */
export function meaningOf(space: Space, name: Bytes): string | undefined {
	const found = own(space, name);
	return found && (found.part ? meanings[found.part] : 'The gateway keeps its locks and elections with it. Changed by hand, they may be lost.');
}
