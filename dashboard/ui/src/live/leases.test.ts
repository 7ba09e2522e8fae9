// @vitest-environment happy-dom
// An etcd with leases, which tells of their keys, and of them only when it is asked.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { signIn, signOut } from '../api/session.ts';
import { followLeases, type Leases } from './leases.ts';

const b64 = (text: string): string => Buffer.from(text).toString('base64');

interface Stored {
	granted: number;
	until: number;
}

class FakeEtcd {
	readonly leases = new Map<string, Stored>();
	readonly keys = new Map<string, string>(); // their leases
	readonly events: { revision: number; event: object }[] = [];
	readonly asked: string[] = [];
	readonly froms: number[] = [];
	revision = 7;
	compacted = 0;
	/** Before the answer about a lease is sent, which has been made by then. */
	onAnswer: () => void = () => undefined;
	readonly #watches = new Set<ReadableStreamDefaultController<Uint8Array>>();

	grant(id: string, granted = 600): void {
		this.leases.set(id, { granted, until: Date.now() + granted * 1000 });
	}

	put(key: string, lease: string): void {
		this.keys.set(key, lease);
		this.#tell({ kv: { key: b64(key), lease, mod_revision: String(++this.revision) } });
	}

	delete(key: string): void {
		this.keys.delete(key);
		this.#tell({ type: 'DELETE', kv: { key: b64(key), mod_revision: String(++this.revision) } });
	}

	#tell(event: object): void {
		this.events.push({ revision: this.revision, event });
		for (const watch of this.#watches) watch.enqueue(this.#line({ events: [event] }));
	}

	#line(result: object): Uint8Array {
		return new TextEncoder().encode(`${JSON.stringify({ result: { header: { revision: String(this.revision) }, ...result } })}\n`);
	}

	cut(): void {
		for (const watch of this.#watches) watch.close();
		this.#watches.clear();
	}

	readonly fetch = async (url: URL, { body, signal }: RequestInit): Promise<Response> => {
		const asked = body ? (JSON.parse(String(body)) as { ID?: string; create_request?: { start_revision: number } }) : {};
		if (url.pathname.endsWith('/authenticate')) return Response.json({ token: 'token' });
		if (url.pathname.endsWith('/leases')) return Response.json({ leases: [...this.leases.keys()].map((ID) => ({ ID })) });
		if (url.pathname.endsWith('/timetolive')) {
			const id = String(asked.ID);
			this.asked.push(id);
			const lease = this.leases.get(id);
			const keys = [...this.keys].filter(([, of]) => of === id).map(([key]) => b64(key));
			const answer = Response.json(lease ? { ID: id, TTL: String(Math.floor((lease.until - Date.now()) / 1000)), grantedTTL: String(lease.granted), keys } : { ID: id, TTL: '-1' });
			this.onAnswer();
			return answer;
		}
		const from = asked.create_request?.start_revision ?? 0;
		this.froms.push(from);
		let own: ReadableStreamDefaultController<Uint8Array> | undefined;
		signal?.addEventListener('abort', () => {
			if (own && this.#watches.delete(own)) own.error(signal.reason);
		});
		return new Response(
			new ReadableStream<Uint8Array>({
				start: (controller) => {
					own = controller;
					if (from && from <= this.compacted) return controller.enqueue(this.#line({ canceled: true, compact_revision: String(this.compacted), cancel_reason: 'compacted' }));
					controller.enqueue(this.#line({ created: true }));
					const past = from ? this.events.filter(({ revision }) => revision >= from).map(({ event }) => event) : [];
					if (past.length > 0) controller.enqueue(this.#line({ events: past }));
					this.#watches.add(controller);
				},
			}),
		);
	};
}

let etcd: FakeEtcd;
let leases: Leases;
beforeEach(() => {
	vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'] });
	etcd = new FakeEtcd();
	vi.stubGlobal('fetch', etcd.fetch);
	etcd.grant('1');
	etcd.grant('2');
	etcd.grant('3');
	etcd.keys.set('/one', '1');
});
afterEach(() => {
	leases.stream.stop();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

const pass = (ms = 200): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const known = (): unknown[] | undefined => leases.rows.value?.map(({ id, known: k }) => [id, k?.keys]);
async function begin(...wanted: string[]): Promise<void> {
	leases = followLeases();
	leases.want(wanted);
	await pass();
}

test('what happens while it is broken is told afterwards, also where nothing had happened before', async () => {
	await begin('1', '2');
	expect(known()).toEqual([
		['1', ['/one']],
		['2', []],
		['3', undefined],
	]);
	etcd.cut();
	etcd.put('/two', '2');
	etcd.delete('/one');
	await pass(1_000);
	expect(etcd.froms).toEqual([0, 8]);
	expect(known()).toEqual([
		['1', []],
		['2', ['/two']],
		['3', undefined],
	]);
});

test('where that is forgotten, what is seen is asked for again, and the rest when it is seen', async () => {
	await begin('1', '2', '3');
	leases.want(['1', '2']);
	etcd.cut();
	etcd.put('/two', '2');
	etcd.put('/three', '3');
	etcd.delete('/one');
	etcd.compacted = etcd.revision;
	await pass(3_000);
	expect(etcd.froms).toEqual([0, 8, 0]);
	expect(known()).toEqual([
		['1', []],
		['2', ['/two']],
		['3', undefined],
	]);
	leases.want(['3']);
	await pass();
	expect(known()?.at(-1)).toEqual(['3', ['/three']]);
	// It goes on from there.
	etcd.cut();
	etcd.delete('/two');
	await pass(3_000);
	expect(etcd.froms.at(-1)).toBe(11);
	expect(known()?.[1]).toEqual(['2', []]);
});

test('a key that comes while its lease is asked for is not lost', async () => {
	etcd.onAnswer = () => {
		etcd.onAnswer = () => undefined;
		etcd.put('/late', '2');
	};
	await begin('2');
	await pass(1_000);
	expect(known()?.[1]).toEqual(['2', ['/late']]);
});

test('one that is kept alive is asked for twice, also when it is open', async () => {
	etcd.grant('4', 10);
	etcd.keys.set('/session', '4');
	await begin('4', '1');
	for (let i = 0; i < 60; i++) {
		etcd.grant('4', 10);
		await pass(2_000);
	}
	expect(etcd.asked.filter((id) => id === '4')).toHaveLength(3);
	expect(etcd.asked.filter((id) => id === '1')).toHaveLength(1);
});

test('another user does not see what the one before has seen', async () => {
	await begin('1');
	expect(known()).toHaveLength(3);
	await signIn('eve', 'x');
	await pass();
	expect(known()).toHaveLength(3);
	vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ message: 'etcdserver: user name is empty' }, { status: 401 })));
	signOut();
	await pass();
	expect(known()).toBeUndefined();
});
