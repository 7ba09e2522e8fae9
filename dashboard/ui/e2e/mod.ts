// A client of the gateway's locks and elections, as a script with curl would be one.

import { request } from 'node:http';

export interface Reply {
	status: number;
	body: string;
}

export interface Entry {
	index: number;
	value: string;
	state: 'held' | 'waiting';
	ttl?: number;
}

export interface Queue {
	key: string;
	index: number;
	value: string;
	ttl: number;
	queue: Entry[];
	more?: number;
}

/** Somebody who waits; to abort is to go, as a curl does that is stopped. */
export interface Waiter {
	/** The answer, when the turn has come. After an abort it rejects. */
	reply: Promise<Reply>;
	abort: () => void;
}

type Params = Record<string, string | number>;

export class Mod {
	readonly #url: string;
	readonly #waiters = new Set<Waiter>();

	constructor(url: string) {
		this.#url = url;
	}

	/** Takes a lock, perhaps after a while. The reply's body is the index. */
	acquire(key: string, params: Params = {}): Waiter {
		return this.#wait('POST', lockPath(key), { ttl: 60, ...params });
	}

	/** Takes a lock that is free, and returns its index. */
	async lock(key: string, params: Params = {}): Promise<number> {
		const reply = await this.acquire(key, { timeout: 0, ...params }).reply;
		if (reply.status !== 200) throw new Error(`POST ${key}: ${reply.status} ${reply.body}`);
		return Number(reply.body);
	}

	renew(key: string, params: Params): Promise<Reply> {
		return this.#wait('PUT', lockPath(key), { ttl: 60, ...params }).reply;
	}

	/** Gives a lock back, or cancels who waits: by its index or its value. */
	release(key: string, params: Params): Promise<Reply> {
		return this.#wait('DELETE', lockPath(key), params).reply;
	}

	async queue(key: string): Promise<Queue> {
		return this.#json(lockPath(key));
	}

	async locks(prefix = ''): Promise<Queue[]> {
		return (await this.#json<{ items: Queue[] }>(`/mod/v2/lock/?${new URLSearchParams({ prefix, limit: '1000' })}`)).items;
	}

	/** Stands for an election, or keeps leading. */
	campaign(election: string, name: string, params: Params = {}): Waiter {
		return this.#wait('PUT', leaderPath(election), { ttl: 60, ...params, name });
	}

	resign(election: string, name: string): Promise<Reply> {
		return this.#wait('DELETE', leaderPath(election), { name }).reply;
	}

	async election(election: string): Promise<Queue> {
		return this.#json(leaderPath(election));
	}

	/** All who still wait go. */
	abortAll(): void {
		for (const waiter of this.#waiters) waiter.abort();
	}

	// Not fetch: it has connections for later, on which an abort takes a while, and a
	// gateway that ends counts them.
	#wait(method: string, path: string, params: Params): Waiter {
		const controller = new AbortController();
		const body = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)])).toString();
		const reply = new Promise<Reply>((resolve, reject) => {
			const sent = request(
				this.#url + path,
				{
					method,
					agent: false,
					signal: controller.signal,
					headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': Buffer.byteLength(body) },
				},
				(response) => {
					let text = '';
					response.setEncoding('utf8');
					response.on('data', (chunk: string) => (text += chunk));
					response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
					response.on('error', reject);
				},
			);
			sent.on('error', reject);
			sent.end(body);
		});
		const waiter: Waiter = { reply, abort: () => controller.abort() };
		this.#waiters.add(waiter);
		// Who aborts need not also look at the reply.
		reply.catch(() => undefined).finally(() => this.#waiters.delete(waiter));
		return waiter;
	}

	async #json<T>(path: string): Promise<T> {
		const response = await fetch(this.#url + path, { headers: { Accept: 'application/json' } });
		if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
		return (await response.json()) as T;
	}
}

// Slashes are part of a name as they are.
const encoded = (name: string): string => name.split('/').map(encodeURIComponent).join('/');
const lockPath = (key: string): string => `/mod/v2/lock/${encoded(key)}`;
const leaderPath = (election: string): string => `/mod/v2/leader/${encoded(election)}`;
