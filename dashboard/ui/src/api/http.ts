// Requests to the gateway, with the user's own credentials.

import { gateway, settings } from '../settings.ts';
import { asFailure, Failure, fromAnswer, isAbort } from './failure.ts';
import { authorization, renew } from './session.ts';

export interface Request {
	method?: string;
	/** The body, which is sent as JSON. */
	json?: unknown;
	/** The body, which is sent as a form. */
	form?: Record<string, string>;
	headers?: Record<string, string>;
	signal?: AbortSignal | undefined;
	/** How long to wait for the answer, in milliseconds; 0 is for ever, for streams. */
	timeout?: number;
	/** It may write: without an answer, its outcome is unknown. */
	writes?: boolean;
	/** The page does without it: don't ask the user who they are, if etcd wants to know. */
	quiet?: boolean;
}

const patience = 15_000;

/** Sends a request, and returns an answer that is a success. Throws a Failure. */
export async function send(path: string, request: Request = {}): Promise<Response> {
	try {
		return await attempt(path, request);
	} catch (thrown) {
		// A token of etcd's ends after some minutes.
		if (thrown instanceof Failure && thrown.kind === 'signIn' && !(request.quiet && !authorization()) && (await renew())) return attempt(path, request);
		throw thrown;
	}
}

async function attempt(path: string, { method = 'GET', json, form, headers, signal, timeout = patience, writes = false }: Request): Promise<Response> {
	const all = new Headers(headers);
	let body: string | URLSearchParams | undefined;
	if (json !== undefined) {
		all.set('Content-Type', 'application/json');
		body = JSON.stringify(json);
	} else if (form) {
		body = new URLSearchParams(form);
	}
	const credentials = authorization();
	if (credentials) all.set('Authorization', credentials);
	const late = timeout ? AbortSignal.timeout(timeout) : undefined;
	const signals = [signal, late].filter((s) => s !== undefined);
	let answer: Response;
	try {
		answer = await fetch(new URL(path, gateway), { method, headers: all, body: body ?? null, signal: AbortSignal.any(signals), cache: 'no-store' });
	} catch (thrown) {
		throw broken(thrown, signal, writes);
	}
	if (answer.ok) return answer;
	const failure = fromAnswer(answer.status, await answer.text().catch(() => ''), writes);
	// Over v2, the password comes with each request: if it was right before, it is not that.
	if (failure.kind === 'signIn' && credentials && settings.api === 'v2') throw new Failure('forbidden', failure.message, failure.status, failure.index);
	throw failure;
}

/** What a connection that broke, or took too long, means. */
export function broken(thrown: unknown, signal: AbortSignal | undefined, writes = false): unknown {
	if (signal?.aborted) return isAbort(thrown) ? thrown : new DOMException('given up', 'AbortError');
	if (thrown instanceof Failure || thrown instanceof TooLong) return thrown;
	return new Failure(writes ? 'unknown' : 'unreachable', asFailure(thrown).message);
}

/** An answer that is longer than its reader wants. */
export class TooLong extends Error {}

/**
 * The JSON of an answer. Of one that is longer than max bytes the rest is not
 * read: it throws TooLong.
 */
export async function readJSON<T>(answer: Response, max = Number.POSITIVE_INFINITY): Promise<{ body: T; bytes: number }> {
	if (!answer.body) return { body: {} as T, bytes: 0 };
	const reader = answer.body.getReader();
	const parts: Uint8Array<ArrayBuffer>[] = [];
	let bytes = 0;
	for (;;) {
		const { done, value } = await reader.read();
		if (done) break;
		bytes += value.length;
		if (bytes > max) {
			void reader.cancel();
			throw new TooLong();
		}
		parts.push(value);
	}
	const text = await new Blob(parts).text();
	return { body: (text ? JSON.parse(text) : {}) as T, bytes };
}

/** Sends a request and reads its JSON. */
export async function ask<T>(path: string, request: Request = {}): Promise<T> {
	const answer = await send(path, request);
	try {
		return (await readJSON<T>(answer)).body;
	} catch (thrown) {
		throw broken(thrown, request.signal, request.writes);
	}
}
