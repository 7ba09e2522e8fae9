// etcd's v3 API as JSON (gRPC gateway). Numbers of 64 bits are strings there, and what
// is zero or empty is left out.

import { type Bytes, fromBase64, toBase64 } from './bytes.ts';
import { ask, broken, readJSON, send, TooLong } from './http.ts';

export interface KeyValue {
	key: Bytes;
	/** Empty where only the key was asked for. */
	value: Bytes;
	createRevision: number;
	modRevision: number;
	/** How often it has been written since it was created. */
	version: number;
	/** The ID of its lease in decimal digits (64 bits are too many for a number), '0' without. */
	lease: string;
}

interface RawKeyValue {
	key?: string;
	value?: string;
	create_revision?: string;
	mod_revision?: string;
	version?: string;
	lease?: string;
}

interface Header {
	revision?: string;
}

export function keyValue(raw: RawKeyValue): KeyValue {
	return {
		key: fromBase64(raw.key),
		value: fromBase64(raw.value),
		createRevision: Number(raw.create_revision ?? 0),
		modRevision: Number(raw.mod_revision ?? 0),
		version: Number(raw.version ?? 0),
		lease: raw.lease ?? '0',
	};
}

export interface RangeOptions {
	key: Bytes;
	/** The first key that is not in the range; without one, it is that key alone. */
	end?: Bytes;
	limit?: number;
	keysOnly?: boolean;
	countOnly?: boolean;
	/** As of this revision; now, if 0. */
	revision?: number;
	/** Of a longer answer the rest is not read; then it throws TooLong. */
	maxBytes?: number;
	/** The page does without it: don't ask the user who they are, if etcd wants to know. */
	quiet?: boolean;
}

export interface Range {
	revision: number;
	kvs: KeyValue[];
	/** Whether there are more than the limit. */
	more: boolean;
	/** How many there are, whatever the limit. */
	count: number;
	/** The answer's length. */
	bytes: number;
}

interface RawRange {
	header?: Header;
	kvs?: RawKeyValue[];
	more?: boolean;
	count?: string;
}

function rangeRequest(o: RangeOptions): Record<string, unknown> {
	return {
		// "" is no key: all keys begin at "\0".
		key: toBase64(o.key === '' ? ('\0' as Bytes) : o.key),
		...(o.end !== undefined && { range_end: toBase64(o.end) }),
		...(o.limit && { limit: o.limit }),
		...(o.keysOnly && { keys_only: true }),
		...(o.countOnly && { count_only: true }),
		...(o.revision && { revision: o.revision }),
	};
}

function rangeAnswer(raw: RawRange, bytes: number, revision = Number(raw.header?.revision ?? 0)): Range {
	return { revision, kvs: (raw.kvs ?? []).map(keyValue), more: raw.more ?? false, count: Number(raw.count ?? 0), bytes };
}

export async function range(options: RangeOptions, signal?: AbortSignal): Promise<Range> {
	const answer = await send('v3/kv/range', { method: 'POST', json: rangeRequest(options), signal, quiet: options.quiet ?? false });
	try {
		const { body, bytes } = await readJSON<RawRange>(answer, options.maxBytes);
		return rangeAnswer(body, bytes);
	} catch (thrown) {
		throw broken(thrown, signal);
	}
}

/** One key, if it is there. */
export async function get(key: Bytes, options: Pick<RangeOptions, 'revision' | 'maxBytes'> = {}, signal?: AbortSignal): Promise<{ revision: number; kv: KeyValue | undefined }> {
	const { revision, kvs } = await range({ key, ...options }, signal);
	return { revision, kv: kvs[0] };
}

/** A condition of a transaction. */
export type Compare =
	| { key: Bytes; modRevision: number }
	| { key: Bytes; createRevision: number }; // 0: it is not there

export type Operation =
	| { put: { key: Bytes; value: Bytes; lease?: string; ignoreValue?: boolean; ignoreLease?: boolean } }
	| { range: RangeOptions }
	| { delete: { key: Bytes; end?: Bytes } };

export interface Transaction {
	compare: Compare[];
	success: Operation[];
	failure?: Operation[];
}

function compareRequest(c: Compare): Record<string, unknown> {
	const key = toBase64(c.key);
	if ('modRevision' in c) return { key, target: 'MOD', result: 'EQUAL', mod_revision: c.modRevision };
	return { key, target: 'CREATE', result: 'EQUAL', create_revision: c.createRevision };
}

function operationRequest(o: Operation): Record<string, unknown> {
	if ('put' in o) {
		const { key, value, lease, ignoreValue, ignoreLease } = o.put;
		return {
			request_put: {
				key: toBase64(key),
				...(!ignoreValue && { value: toBase64(value) }),
				...(lease && lease !== '0' && { lease }),
				...(ignoreValue && { ignore_value: true }),
				...(ignoreLease && { ignore_lease: true }),
			},
		};
	}
	if ('range' in o) return { request_range: rangeRequest(o.range) };
	return { request_delete_range: { key: toBase64(o.delete.key), ...(o.delete.end !== undefined && { range_end: toBase64(o.delete.end) }) } };
}

interface RawTransaction {
	header?: Header;
	succeeded?: boolean;
	responses?: { response_range?: RawRange }[];
}

export interface TransactionAnswer {
	revision: number;
	succeeded: boolean;
	/** What the operations that were done found: a range for each range. */
	ranges: Range[];
}

/** A transaction. If it may write and its answer is lost, the Failure's kind is 'unknown'. */
export async function transact({ compare, success, failure = [] }: Transaction, signal?: AbortSignal): Promise<TransactionAnswer> {
	const raw = await ask<RawTransaction>('v3/kv/txn', {
		method: 'POST',
		json: { compare: compare.map(compareRequest), success: success.map(operationRequest), failure: failure.map(operationRequest) },
		writes: true,
		signal,
	});
	const revision = Number(raw.header?.revision ?? 0);
	return {
		revision,
		succeeded: raw.succeeded ?? false,
		ranges: (raw.responses ?? []).flatMap((r) => (r.response_range ? [rangeAnswer(r.response_range, 0, revision)] : [])),
	};
}

/** A lease, as etcd has it now. */
export interface Lease {
	/** Decimal digits. */
	id: string;
	/** The seconds that it was granted for. */
	granted: number;
	/** The seconds left; below 0 if there is no such lease. */
	ttl: number;
	keys: Bytes[];
	/** Its keys are longer than was wanted, so none is there. */
	tooMany: boolean;
}

export async function leases(signal?: AbortSignal): Promise<string[]> {
	const raw = await ask<{ leases?: { ID?: string }[] }>('v3/lease/leases', { method: 'POST', json: {}, signal });
	return (raw.leases ?? []).map((l) => l.ID ?? '0');
}

/** A lease, with its keys in their order; without them, if they are longer than maxBytes. */
export async function lease(id: string, signal?: AbortSignal, { keys = true, maxBytes }: { keys?: boolean; maxBytes?: number } = {}): Promise<Lease> {
	const look = async (wanted: boolean): Promise<Lease> => {
		const answer = await send('v3/lease/timetolive', { method: 'POST', json: { ID: id, keys: wanted }, signal });
		const { body } = await readJSON<{ TTL?: string; grantedTTL?: string; keys?: string[] }>(answer, maxBytes);
		return { id, ttl: Number(body.TTL ?? 0), granted: Number(body.grantedTTL ?? 0), keys: (body.keys ?? []).map(fromBase64).sort(), tooMany: keys && !wanted };
	};
	try {
		return await look(keys).catch((thrown: unknown) => {
			if (thrown instanceof TooLong) return look(false);
			throw thrown;
		});
	} catch (thrown) {
		throw broken(thrown, signal);
	}
}

/** Grants a lease for so many seconds, and returns its ID. */
export async function grant(ttl: number, signal?: AbortSignal): Promise<string> {
	const raw = await ask<{ ID?: string; error?: string }>('v3/lease/grant', { method: 'POST', json: { TTL: ttl, ID: 0 }, writes: true, signal });
	return raw.ID ?? '0';
}

/** Revokes a lease, and with it deletes its keys. */
export async function revoke(id: string, signal?: AbortSignal): Promise<void> {
	await ask('v3/lease/revoke', { method: 'POST', json: { ID: id }, writes: true, signal });
}

/** The ID of a lease as etcdctl shows it: hexadecimal digits. */
export function leaseHex(id: string): string {
	return BigInt.asUintN(64, BigInt(id)).toString(16).padStart(16, '0');
}

/** The ID that hexadecimal digits stand for, if they are one. */
export function leaseID(hex: string): string | undefined {
	return /^[0-9a-f]{1,16}$/i.test(hex) ? BigInt.asIntN(64, BigInt('0x' + hex)).toString() : undefined;
}
