// @vitest-environment happy-dom
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fromText } from '../api/bytes.ts';
import { signIn, signOut } from '../api/session.ts';
import { type ClientEntry, clientsPrefix, followClients, grouped } from './clients.ts';

describe('a key of etcd’s own clients', () => {
	const prefix = (key: string, lease: string) => clientsPrefix({ key: fromText(key), lease });

	it('is named by its own lease', () => {
		expect(prefix('/locks/a/6e4aa2248d0c76d0', '7947342770317588176')).toBe('/locks/a');
		expect(prefix('a/ff', '255')).toBe('a');
		expect(prefix('/ff', '255')).toBe('');
		expect(prefix('a//ff', '255')).toBe('a/');
		expect(prefix('a/ffffffffffffffff', '-1')).toBe('a');
	});

	it('is no other', () => {
		expect(prefix('a/6e4aa2248d0c76d0', '0')).toBeUndefined();
		expect(prefix('a/6e4aa2248d0c76d0', '7947342770317588177')).toBeUndefined();
		expect(prefix('a/FF', '255')).toBeUndefined();
		expect(prefix('a/00ff', '255')).toBeUndefined();
		expect(prefix('ff', '255')).toBeUndefined();
		expect(prefix('a/ff/b', '255')).toBeUndefined();
	});
});

describe('queues of etcd’s own clients', () => {
	const entry = (key: string, createRevision: number, value = ''): ClientEntry => ({ key: fromText(key), lease: '1', createRevision, value: fromText(value) });

	it('are in the order of their creation, whatever their keys', () => {
		const [a, b] = grouped([entry('b/2', 5), entry('a/9', 7, 'x'), entry('b/1', 9), entry('a/8', 3, 'y'), entry('b/3', 6)]);
		expect(a).toMatchObject({ prefix: 'a', election: true });
		expect(a?.entries.map((e) => e.value)).toEqual(['y', 'x']);
		expect(b).toMatchObject({ prefix: 'b', election: false });
		expect(b?.entries.map((e) => e.createRevision)).toEqual([5, 6, 9]);
	});

	it('with a value that is too long to be known are elections', () => {
		expect(grouped([{ ...entry('a/1', 1), value: undefined }])[0]?.election).toBe(true);
	});
});

describe('another user', () => {
	afterEach(() => vi.unstubAllGlobals());

	it('does not see what the one before has seen', async () => {
		const b64 = (text: string): string => Buffer.from(text).toString('base64');
		let allowed = true;
		vi.stubGlobal('fetch', (url: URL) => {
			if (url.pathname.endsWith('/authenticate')) return Promise.resolve(Response.json({ token: 'token' }));
			if (!allowed) return Promise.resolve(Response.json({ message: 'etcdserver: user name is empty' }, { status: 401 }));
			if (url.pathname.endsWith('/leases')) return Promise.resolve(Response.json({ leases: [{ ID: '255' }] }));
			if (url.pathname.endsWith('/watch')) return Promise.resolve(new Response(new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode('{"result":{"created":true}}\n')) })));
			return Promise.resolve(Response.json({ header: { revision: '5' }, count: '1', kvs: [{ key: b64('a/ff'), lease: '255', create_revision: '3', mod_revision: '3' }] }));
		});
		await signIn('alice', 'x');
		const clients = followClients(fromText(''));
		await vi.waitFor(() => expect(clients.queues.value).toHaveLength(1));
		await vi.waitFor(() => expect(clients.stream.state.value).toBe('live'));
		allowed = false;
		signOut();
		await vi.waitFor(() => expect(clients.stream.failure.value?.kind).toBe('signIn'));
		expect(clients.queues.value).toEqual([]);
		clients.stream.stop();
	});
});
