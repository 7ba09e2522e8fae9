// Who the user is to etcd. It is kept in memory only: neither in an address nor in
// the browser's storage.

import { computed, signal } from '@preact/signals';
import { gateway, settings } from '../settings.ts';
import { Failure, fromAnswer } from './failure.ts';

interface Session {
	readonly name: string;
	readonly password: string;
	/** The value of the Authorization header. */
	readonly authorization: string;
}

const session = signal<Session | undefined>(undefined);

/** The name of the user who has signed in, if one has. */
export const user = computed(() => session.value?.name);

/** Whether etcd has asked who this is, and nobody has told it yet. */
export const asked = signal(false);

export function authorization(): string | undefined {
	return session.peek()?.authorization;
}

/** Signs a user of etcd in. Throws a Failure if etcd does not know them. */
export async function signIn(name: string, password: string): Promise<void> {
	session.value = { name, password, authorization: await (settings.api === 'v2' ? basic : token)(name, password) };
	asked.value = false;
}

export function signOut(): void {
	session.value = undefined;
}

let renewing: Promise<boolean> | undefined;

/**
 * Tries to get a new token, once for all who ask meanwhile. If that can't be had, the
 * user is asked.
 */
export function renew(): Promise<boolean> {
	renewing ??= again().finally(() => (renewing = undefined));
	return renewing;
}

async function again(): Promise<boolean> {
	const old = session.peek();
	if (old && settings.api === 'v3') {
		try {
			await signIn(old.name, old.password);
			return true;
		} catch (thrown) {
			if (!(thrown instanceof Failure) || thrown.kind !== 'signIn') return false;
		}
	}
	session.value = undefined;
	asked.value = true;
	return false;
}

async function token(name: string, password: string): Promise<string> {
	const answer = await fetch(new URL('v3/auth/authenticate', gateway), {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ name, password }),
		signal: AbortSignal.timeout(15_000),
	}).catch((thrown: unknown) => {
		throw new Failure('unreachable', String(thrown));
	});
	if (!answer.ok) throw fromAnswer(answer.status, await answer.text());
	return ((await answer.json()) as { token: string }).token;
}

async function basic(name: string, password: string): Promise<string> {
	const authorization = 'Basic ' + btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${password}`)));
	const answer = await fetch(new URL('v2/keys/', gateway), {
		headers: { Authorization: authorization },
		signal: AbortSignal.timeout(15_000),
	}).catch((thrown: unknown) => {
		throw new Failure('unreachable', String(thrown));
	});
	if (answer.status === 401) throw fromAnswer(answer.status, await answer.text());
	return authorization;
}
