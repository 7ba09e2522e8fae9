// Hangs a key on another lease, or gives it another TTL, if it is still what was looked at.

import type { Bytes } from '../../../../api/bytes.ts';
import { asFailure } from '../../../../api/failure.ts';
import { grant, revoke } from '../../../../api/v3.ts';
import type { Version } from '../edit.ts';
import type { Written } from '../store.ts';

/** What a key's time is to hang on. */
export type Time = { kind: 'none' } | { kind: 'ttl'; seconds: number } | { kind: 'lease'; id: string };

/**
 * Writes with the lease that was asked for. A new one that nothing came to hang on is
 * revoked, but only where that is sure: to revoke a lease deletes its keys, and a write
 * whose answer is lost may still arrive. Such a lease runs out by itself.
 */
export async function withLease(time: Time, write: (lease: string) => Promise<Written>): Promise<Written> {
	if (time.kind !== 'ttl') return write(time.kind === 'lease' ? time.id : '0');
	const id = await grant(time.seconds);
	try {
		const written = await write(id);
		if (!written.done) drop(id);
		return written;
	} catch (thrown) {
		if (asFailure(thrown).kind !== 'unknown') drop(id);
		throw thrown;
	}
}

function drop(id: string): void {
	// If that fails too, it runs out by itself.
	revoke(id).catch(() => undefined);
}

/** After a lost answer: whether what is there now is what was to be written. */
export function isDone(time: Time, base: Version | undefined, value: Bytes, now: Version | undefined): boolean {
	if (!now || now.value !== value || now.revision === base?.revision) return false;
	return time.kind === 'none' ? now.lease === '0' && now.deadline === undefined : time.kind === 'lease' ? now.lease === time.id : now.lease !== (base?.lease ?? '0') || now.deadline !== undefined;
}
