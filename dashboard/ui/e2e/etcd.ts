// A client of etcd's v3 API over JSON, which tests use past the gateway.

import { Buffer } from 'node:buffer';

/** Keys and values are text, or bytes that need not be UTF-8. */
export type Bytes = string | Uint8Array;

export interface KeyValue {
	key: string;
	value: string;
	/** As they are, when they are no text. */
	keyBytes: Uint8Array;
	valueBytes: Uint8Array;
	createRevision: string;
	modRevision: string;
	version: string;
	/** As etcd's JSON says it, a decimal number; 0 is none. */
	lease: string;
}

export interface Status {
	version: string;
	leader?: string;
	header: { member_id: string; revision?: string };
}

export interface MemberInfo {
	ID: string;
	name: string;
	clientURLs: string[];
}

export const base64 = (bytes: Bytes): string => Buffer.from(bytes as string).toString('base64');

/** The request of one put, also for a transaction's requestPut. */
export const putRequest = (key: Bytes, value: Bytes, lease = '0') => ({ key: base64(key), value: base64(value), lease });

/** The key after all that begin with the prefix, for range_end. */
export function prefixEnd(prefix: string): string {
	const bytes = Buffer.from(prefix);
	for (let i = bytes.length - 1; i >= 0; i--) {
		if (bytes[i]! < 0xff) {
			bytes[i]!++;
			return bytes.subarray(0, i + 1).toString('base64');
		}
	}
	return Buffer.from([0]).toString('base64'); // all that there are
}

export class Etcd {
	readonly #endpoint: string;
	readonly #token: string | undefined;

	constructor(endpoint: string, token?: string) {
		this.#endpoint = endpoint;
		this.#token = token;
	}

	/** The same member, asked as a user. */
	async login(name: string, password: string): Promise<Etcd> {
		const { token } = await this.call<{ token: string }>('/v3/auth/authenticate', { name, password });
		return new Etcd(this.#endpoint, token);
	}

	async call<T = unknown>(path: string, request: unknown): Promise<T> {
		const response = await fetch(this.#endpoint + path, {
			method: 'POST',
			body: JSON.stringify(request),
			signal: AbortSignal.timeout(20_000),
			...(this.#token ? { headers: { Authorization: this.#token } } : {}),
		});
		const text = await response.text();
		if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
		return JSON.parse(text) as T;
	}

	async put(key: Bytes, value: Bytes, lease = '0'): Promise<void> {
		await this.call('/v3/kv/put', putRequest(key, value, lease));
	}

	async get(key: Bytes): Promise<KeyValue | undefined> {
		const { kvs = [] } = await this.call<{ kvs?: RawKeyValue[] }>('/v3/kv/range', { key: base64(key) });
		return kvs[0] && keyValue(kvs[0]);
	}

	/** All that begin with it, in their order. */
	async list(prefix: string): Promise<KeyValue[]> {
		const request = { key: prefix ? base64(prefix) : base64('\0'), range_end: prefixEnd(prefix) };
		const { kvs = [] } = await this.call<{ kvs?: RawKeyValue[] }>('/v3/kv/range', request);
		return kvs.map(keyValue);
	}

	async count(prefix: string): Promise<number> {
		const request = { key: prefix ? base64(prefix) : base64('\0'), range_end: prefixEnd(prefix), count_only: true };
		return Number((await this.call<{ count?: string }>('/v3/kv/range', request)).count ?? 0);
	}

	async delete(key: Bytes): Promise<void> {
		await this.call('/v3/kv/deleterange', { key: base64(key) });
	}

	async deletePrefix(prefix: string): Promise<void> {
		await this.call('/v3/kv/deleterange', { key: prefix ? base64(prefix) : base64('\0'), range_end: prefixEnd(prefix) });
	}

	txn(request: { compare?: unknown[]; success?: unknown[]; failure?: unknown[] }): Promise<{ succeeded?: boolean }> {
		return this.call('/v3/kv/txn', request);
	}

	/** Puts many, quickly: a hundred in a transaction, some of those at a time. */
	async putAll(pairs: Iterable<[key: Bytes, value: Bytes, lease?: string]>): Promise<void> {
		const iterator = pairs[Symbol.iterator]();
		const worker = async (): Promise<void> => {
			for (;;) {
				const success: unknown[] = [];
				while (success.length < 100) {
					const next = iterator.next();
					if (next.done) break;
					success.push({ requestPut: putRequest(...next.value) });
				}
				if (success.length === 0) return;
				await this.txn({ success });
			}
		};
		await Promise.all(Array.from({ length: 8 }, worker));
	}

	/** Puts so many keys below the prefix: prefix000000, prefix000001, ... */
	fill(count: number, prefix: string, value: (i: number) => string = (i) => `value ${i}`): Promise<void> {
		const pairs = function* (): Generator<[string, string]> {
			for (let i = 0; i < count; i++) yield [prefix + String(i).padStart(6, '0'), value(i)];
		};
		return this.putAll(pairs());
	}

	/** The lease's id. */
	async grant(ttl: number, id = '0'): Promise<string> {
		return (await this.call<{ ID: string }>('/v3/lease/grant', { TTL: ttl, ID: id })).ID;
	}

	async revoke(lease: string): Promise<void> {
		await this.call('/v3/lease/revoke', { ID: lease });
	}

	async keepAlive(lease: string): Promise<void> {
		await this.call('/v3/lease/keepalive', { ID: lease });
	}

	async leases(): Promise<string[]> {
		const { leases = [] } = await this.call<{ leases?: { ID: string }[] }>('/v3/lease/leases', {});
		return leases.map((lease) => lease.ID);
	}

	/** Seconds that are left; -1 if there is no such lease. */
	async timeToLive(lease: string): Promise<number> {
		return Number((await this.call<{ TTL?: string }>('/v3/lease/timetolive', { ID: lease })).TTL ?? 0);
	}

	status(): Promise<Status> {
		return this.call('/v3/maintenance/status', {});
	}

	async revision(): Promise<string> {
		return (await this.status()).header.revision ?? '0';
	}

	async compact(revision: string): Promise<void> {
		await this.call('/v3/kv/compaction', { revision, physical: true });
	}

	async members(): Promise<MemberInfo[]> {
		return (await this.call<{ members: MemberInfo[] }>('/v3/cluster/member/list', {})).members;
	}

	async moveLeader(to: string): Promise<void> {
		await this.call('/v3/maintenance/transfer-leadership', { targetID: to });
	}
}

interface RawKeyValue {
	key?: string;
	value?: string;
	create_revision?: string;
	mod_revision?: string;
	version?: string;
	lease?: string;
}

// What is zero or empty is left out.
function keyValue(raw: RawKeyValue): KeyValue {
	const keyBytes = Buffer.from(raw.key ?? '', 'base64');
	const valueBytes = Buffer.from(raw.value ?? '', 'base64');
	return {
		key: keyBytes.toString(),
		value: valueBytes.toString(),
		keyBytes,
		valueBytes,
		createRevision: raw.create_revision ?? '0',
		modRevision: raw.mod_revision ?? '0',
		version: raw.version ?? '0',
		lease: raw.lease ?? '0',
	};
}
