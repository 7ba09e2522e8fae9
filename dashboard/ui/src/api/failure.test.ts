// What etcd 3.7, etcd 3.5 over v2, and the gateway really answer.

import { describe, expect, test } from 'vitest';
import { asFailure, explain, Failure, fromAnswer, isAbort, type Kind } from './failure.ts';

const v3: [status: number, code: number, message: string, kind: Kind][] = [
	[400, 3, 'etcdserver: user name is empty', 'signIn'],
	[401, 16, 'etcdserver: invalid auth token', 'signIn'],
	[400, 3, 'etcdserver: authentication failed, invalid user ID or password', 'signIn'],
	[400, 3, 'etcdserver: revision of auth store is old', 'signIn'],
	[400, 9, 'etcdserver: authentication is not enabled', 'other'],
	[403, 7, 'etcdserver: permission denied', 'forbidden'],
	[400, 11, 'etcdserver: mvcc: required revision has been compacted', 'compacted'],
	[400, 11, 'etcdserver: mvcc: required revision is a future revision', 'other'],
	[404, 5, 'etcdserver: requested lease not found', 'notFound'],
	[400, 3, 'etcdserver: request is too large', 'tooLarge'],
	[429, 8, 'etcdserver: mvcc: database space exceeded', 'noSpace'],
	[429, 8, 'etcdserver: too many requests', 'busy'],
	[503, 14, 'etcdserver: request timed out', 'unknown'],
	[503, 14, 'etcdserver: request timed out, possibly due to previous leader failure', 'unknown'],
	[503, 14, 'etcdserver: no leader', 'unavailable'],
	[503, 14, 'etcdserver: leader changed', 'unknown'],
	[503, 14, 'etcdserver: server stopped', 'unknown'],
	[503, 14, 'error reading from server: EOF', 'unknown'],
	[503, 14, 'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused"', 'unavailable'],
	[408, 1, 'etcdserver: request cancelled', 'unknown'],
	[400, 3, "invalid character 'o' in literal null (expecting 'u')", 'other'],
	[0, 0, 'rpc error: code = PermissionDenied desc = etcdserver: permission denied', 'forbidden'],
	[0, 0, 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token', 'signIn'],
];

const v2: [status: number, errorCode: number, message: string, cause: string, kind: Kind][] = [
	[404, 100, 'Key not found', '/none', 'notFound'],
	[412, 101, 'Compare failed', '[1 != 4]', 'conflict'],
	[412, 105, 'Key already exists', '/foo', 'conflict'],
	[400, 104, 'Not a directory', '/foo', 'other'],
	[400, 107, 'Root is read only', '/', 'other'],
	[401, 110, 'The request requires user authentication', 'Insufficient credentials', 'signIn'],
	[400, 401, 'The event in requested index is outdated and cleared', 'the requested history has been cleared [1003/8]', 'compacted'],
	[500, 300, 'Raft Internal Error', 'etcdserver: request timed out', 'unknown'],
	[500, 300, 'Raft Internal Error', 'etcdserver: request cancelled', 'unknown'],
	[500, 300, 'Raft Internal Error', 'raft proposal dropped', 'unknown'],
	[500, 300, 'Raft Internal Error', 'etcdserver: no leader', 'unavailable'],
	[500, 301, 'During Leader Election', '', 'unavailable'],
	// A key may read like anything.
	[404, 100, 'Key not found', '/permission denied/no leader', 'notFound'],
	[412, 101, 'Compare failed', '[request timed out != database space exceeded]', 'conflict'],
];

const gateway: [status: number, body: string, kind: Kind][] = [
	[502, '', 'unknown'],
	[503, '', 'unknown'],
	[503, '<html>proxy</html>', 'unknown'],
	[504, '', 'unknown'],
	[503, '{"errorCode":300,"message":"etcd cannot be reached, or refuses the gateway","cause":"Acquire","index":0}', 'unavailable'],
	[503, '{"errorCode":300,"message":"The gateway is stopping","cause":"Get","index":7}', 'unavailable'],
	[504, '{"errorCode":301,"message":"The answer of etcd was lost: the outcome is unknown","cause":"Release","index":0}', 'unknown'],
	[403, '{"errorCode":217,"message":"A page of another site may not write here: this site\'s CORS headers do not allow its origin, by name if it brings a password, a cookie or a certificate","cause":"http://evil","index":13}', 'crossOrigin'],
	[403, '{"errorCode":218,"message":"The dashboard is read-only here: a browser\'s page may not write","cause":"/v2/keys/foo","index":13}', 'readOnly'],
	[404, '{"errorCode":100,"message":"Key not found","cause":"Release","index":13}', 'notFound'],
	[401, '<html>proxy</html>', 'signIn'],
	[413, '', 'tooLarge'],
	[418, 'null', 'other'],
	[418, '"x"', 'other'],
];

describe('a write that got', () => {
	test.each(v3)('v3: %i %i %s', (status, code, message, kind) => {
		expect(fromAnswer(status, JSON.stringify({ code, message }), true)).toMatchObject({ kind, message, status });
	});
	test.each(v2)('v2: %i %i %s: %s', (status, errorCode, message, cause, kind) => {
		const failure = fromAnswer(status, JSON.stringify({ errorCode, message, cause, index: 4 }), true);
		expect(failure).toMatchObject({ kind, status, index: 4 });
		expect(failure.message).toContain(message);
	});
	test.each(gateway)('the gateway: %i %s', (status, body, kind) => {
		expect(fromAnswer(status, body, true).kind).toBe(kind);
	});
	test('a stream’s error', () => {
		expect(fromAnswer(0, '{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}').kind).toBe('unavailable');
		expect(fromAnswer(0, '{"error":"etcdserver: permission denied","code":7}').kind).toBe('forbidden');
	});
});

test('what only reads has no unknown outcome', () => {
	expect(fromAnswer(502, '').kind).toBe('unavailable');
	expect(fromAnswer(503, '{"code":14,"message":"etcdserver: request timed out"}').kind).toBe('unavailable');
});

test('every kind has words', () => {
	for (const kind of ['unreachable', 'unavailable', 'unknown', 'signIn', 'forbidden', 'readOnly', 'crossOrigin', 'compacted', 'conflict', 'notFound', 'noSpace', 'tooLarge', 'busy', 'other'] as Kind[]) {
		const { title, advice } = explain(new Failure(kind, ''));
		expect(title).toMatch(/^[A-Ze]/);
		expect(advice).toMatch(/\.$/);
	}
});

test('whatever is thrown is a failure', () => {
	const failure = new Failure('busy', 'x');
	expect(asFailure(failure)).toBe(failure);
	expect(asFailure(new Error('boo'))).toMatchObject({ kind: 'other', message: 'boo' });
	expect(asFailure('boo')).toMatchObject({ kind: 'other', message: 'boo' });
	expect(isAbort(new DOMException('', 'AbortError'))).toBe(true);
	expect(isAbort(new DOMException('', 'TimeoutError'))).toBe(false);
});
