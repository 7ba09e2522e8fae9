// Who the user is to etcd. It is kept in memory only: neither in an address nor in
// the browser's storage.

import { computed, signal } from '@preact/signals';
import { gateway, settings } from '../settings.ts';
import { fromText, toBase64 } from './bytes.ts';
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

/** Whether the user is asked who they are. */
export const asked = signal(false);

// Who does not want to say is not asked again by itself.
let declined = false;

/** The user does not want to sign in now. */
export function decline(): void {
	declined = true;
	asked.value = false;
}

export function authorization(): string | undefined {
	return session.peek()?.authorization;
}

/**
 * Signs a user of etcd in. Throws a Failure if etcd does not know them. Over v2, that can't
 * be told from a user who may not read the root: such a one signs in unchecked.
 */
export async function signIn(name: string, password: string, { unchecked = false } = {}): Promise<void> {
	session.value = { name, password, authorization: await (settings.api === 'v2' ? basic(name, password, unchecked) : token(name, password)) };
	asked.value = false;
	declined = false;
}

export function signOut(): void {
	declined = true;
	session.value = undefined;
}

let renewing: Promise<boolean> | undefined;

/**
 * Tries to get a new token, once for all who ask meanwhile. If etcd refuses that, the
 * user is asked. Throws a Failure if it can't be tried.
 */
export function renew(): Promise<boolean> {
	renewing ??= again().finally(() => (renewing = undefined));
	return renewing;
}

async function again(): Promise<boolean> {
	const old = session.peek();
	if (old && settings.api === 'v3') {
		try {
			const authorization = await token(old.name, old.password);
			// Meanwhile the user may have signed out, or in as another one.
			if (session.peek() === old) session.value = { ...old, authorization };
			return session.peek() !== undefined;
		} catch (thrown) {
			if (!(thrown instanceof Failure) || thrown.kind !== 'signIn') throw thrown;
		}
	}
	session.value = undefined;
	if (!declined) asked.value = true;
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

async function basic(name: string, password: string, unchecked: boolean): Promise<string> {
	const authorization = 'Basic ' + toBase64(fromText(`${name}:${password}`));
	if (unchecked) return authorization;
	const answer = await fetch(new URL('v2/keys/', gateway), {
		headers: { Authorization: authorization },
		signal: AbortSignal.timeout(15_000),
	}).catch((thrown: unknown) => {
		throw new Failure('unreachable', String(thrown));
	});
	if (answer.status === 401) throw fromAnswer(answer.status, await answer.text());
	return authorization;
}
