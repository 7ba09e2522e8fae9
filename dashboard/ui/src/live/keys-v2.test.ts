// @vitest-environment happy-dom
// An etcd of the v2 API whose keys have times, which are refreshed without a word.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fromText, toText } from '../api/bytes.ts';
import type { RawNode } from '../api/v2.ts';
import { chance } from './chance.fixture.ts';
import type { Folder } from './folder.ts';
import { openDirectory } from './keys-v2.ts';

interface Stored {
	value: string | undefined; // of a directory
	created: number;
	modified: number;
	until: number | undefined;
}

interface Told {
	action: string;
	node: RawNode;
}

/** The directory /d, and in it keys and directories without anything in them. */
class FakeEtcd {
	readonly there = new Map<string, Stored>();
	readonly events: Told[] = [];
	/** When each was asked for, the directory as a whole as "/d". */
	readonly asked: { key: string; at: number }[] = [];
	index = 1;
	pause = (): number => 1;
	failing = false;
	large = false;
	/** How many requests there were at a time, at the most. */
	atOnce = 0;
	#now = 0;
	readonly #watches = new Set<ReadableStreamDefaultController<Uint8Array>>();

	#node(key: string, { value, created, modified, until }: Stored): RawNode {
		const ttl = until === undefined ? {} : { ttl: Math.ceil((until - Date.now()) / 1000) };
		return { key, createdIndex: created, modifiedIndex: modified, ...(value === undefined ? { dir: true } : { value }), ...ttl };
	}

	#tell(action: string, node: RawNode): void {
		const told = { action, node };
		this.events.push(told);
		for (const watch of this.#watches) watch.enqueue(line(told));
	}

	set(name: string, value: string | undefined, seconds?: number): void {
		const key = `/d/${name}`;
		const stored = { value, created: ++this.index, modified: this.index, until: seconds === undefined ? undefined : Date.now() + seconds * 1000 };
		this.there.set(key, stored);
		this.#tell('set', this.#node(key, stored));
	}

	refresh(name: string, seconds: number): void {
		const stored = this.there.get(`/d/${name}`);
		if (stored) Object.assign(stored, { modified: ++this.index, until: Date.now() + seconds * 1000 });
	}

	delete(name: string, action = 'delete'): void {
		const stored = this.there.get(`/d/${name}`);
		if (!stored) return;
		this.there.delete(`/d/${name}`);
		this.#tell(action, { key: `/d/${name}`, createdIndex: stored.created, modifiedIndex: ++this.index, ...(stored.value === undefined && { dir: true }) });
	}

	expire(): void {
		for (const [key, { until }] of this.there) if (until !== undefined && until <= Date.now()) this.delete(key.slice(3), 'expire');
	}

	cut(): void {
		for (const watch of this.#watches) watch.close();
		this.#watches.clear();
	}

	readonly fetch = async (url: URL, { signal }: RequestInit): Promise<Response> => {
		const headers = (): Record<string, string> => ({ 'X-Etcd-Index': String(this.index) });
		if (url.searchParams.has('wait')) {
			if (this.failing) return Promise.reject(new TypeError('failed to fetch'));
			const from = Number(url.searchParams.get('waitIndex'));
			let own: ReadableStreamDefaultController<Uint8Array> | undefined;
			signal?.addEventListener('abort', () => {
				if (own && this.#watches.delete(own)) own.error(signal.reason);
			});
			const body = new ReadableStream<Uint8Array>({
				start: (controller) => {
					own = controller;
					const past = this.events.find(({ node }) => (node.modifiedIndex ?? 0) >= from);
					// Of what was before, etcd tells the first, and then nothing.
					if (past) controller.enqueue(line(past));
					else this.#watches.add(controller);
				},
			});
			return new Response(body, { headers: headers() });
		}
		const key = decodeURIComponent(url.pathname.replace(/.*\/v2\/keys/, '')).replace(/\/$/, '');
		this.asked.push({ key, at: Date.now() });
		this.atOnce = Math.max(this.atOnce, ++this.#now);
		await new Promise((resolve) => setTimeout(resolve, this.pause()));
		const answer = (): Response => {
			if (this.failing) throw new TypeError('failed to fetch');
			if (key === '/d') return Response.json({ action: 'get', node: { key, dir: true, nodes: [...this.there].map(([k, s]) => this.#node(k, s)) } }, { headers: headers() });
			const stored = this.there.get(key);
			if (!stored) return Response.json({ errorCode: 100, message: 'Key not found', cause: key, index: this.index }, { status: 404, headers: headers() });
			const inside = this.large && stored.value === undefined ? [{ key: `${key}/x`, value: 'x'.repeat(100_000) }] : [];
			return Response.json({ action: 'get', node: { ...this.#node(key, stored), ...(inside.length > 0 && { nodes: inside }) } }, { headers: headers() });
		};
		try {
			return answer();
		} finally {
			await new Promise((resolve) => setTimeout(resolve, this.pause()));
			this.#now--;
		}
	};
}

const line = (told: Told): Uint8Array => new TextEncoder().encode(`${JSON.stringify(told)}\n`);

let etcd: FakeEtcd;
let directory: Folder;

beforeEach(() => {
	vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'requestAnimationFrame', 'cancelAnimationFrame', 'performance', 'Date'] });
	etcd = new FakeEtcd();
	vi.stubGlobal('fetch', etcd.fetch);
});
afterEach(() => {
	directory.stop();
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

/** Lets time pass, in which etcd has expire what is over; every so many milliseconds somebody does something. */
async function pass(ms: number, each?: { every: number; does: () => void }): Promise<void> {
	for (let at = 0; at < ms; at += 100) {
		if (each && at % each.every === 0) each.does();
		etcd.expire();
		await vi.advanceTimersByTimeAsync(100);
	}
}
async function open(): Promise<void> {
	directory = openDirectory(fromText('/d/'));
	directory.seen(0, 100);
	await pass(500);
	expect(directory.stream.state.value).toBe('live');
	etcd.asked.length = 0;
}
const shown = (): [string | undefined, number][] => directory.entries.map(({ key, modified }) => [toText(key), modified]);
const asked = (name: string): number => etcd.asked.filter(({ key }) => key === `/d/${name}`).length;

test('one that its owner refreshes is looked at twice, and has the index that a deletion needs', async () => {
	etcd.set('kept', 'x', 5);
	await open();
	await pass(9_000, { every: 2_000, does: () => etcd.refresh('kept', 5) });
	expect(asked('kept')).toBe(1);
	const [entry] = directory.entries;
	expect(entry?.deadline).toBeGreaterThan(Date.now() - 2_000);
	expect(entry?.modified).toBeGreaterThan(2);
	await pass(60_000, { every: 2_000, does: () => etcd.refresh('kept', 5) });
	expect(asked('kept')).toBe(2);
	expect(directory.entries[0]?.kept).toBe(2);
	// When it ends in spite of that, the watch tells; and once it is written anew, it counts anew.
	await pass(6_000);
	expect(directory.entries).toEqual([]);
	etcd.set('kept', 'y', 5);
	await pass(200);
	expect(directory.entries[0]).toMatchObject({ kept: 0, deadline: etcd.there.get('/d/kept')?.until });
});

test('one that ends is told, and not asked for', async () => {
	for (let i = 0; i < 20; i++) etcd.set(`key${i}`, 'x', 3);
	etcd.set('dir', undefined, 3);
	await open();
	await pass(10_000);
	expect(directory.entries).toEqual([]);
	expect(etcd.asked).toEqual([]);
});

test('looks come one after the other, of those that are seen', async () => {
	etcd.pause = () => 3_000;
	for (let i = 0; i < 10; i++) etcd.set(`key${i}`, 'x', 20);
	directory = openDirectory(fromText('/d/'));
	directory.seen(0, 4);
	await pass(7_000);
	etcd.asked.length = 0;
	await pass(120_000, { every: 1_000, does: () => [...etcd.there.keys()].forEach((key) => etcd.refresh(key.slice(3), 20)) });
	expect(etcd.atOnce).toBe(1);
	expect(etcd.asked).toHaveLength(8);
	expect(new Set(etcd.asked.map(({ key }) => key)).size).toBe(4);
});

test('where looks fail, the pauses grow', async () => {
	etcd.set('kept', 'x', 2);
	await open();
	const refresh = { every: 1_000, does: () => etcd.refresh('kept', 2) };
	await pass(1_000, refresh);
	etcd.failing = true;
	await pass(60_000, refresh);
	expect(asked('kept')).toBeGreaterThan(2);
	expect(asked('kept')).toBeLessThan(7);
	etcd.failing = false;
	await pass(120_000, refresh);
	expect(directory.entries[0]?.kept).toBe(2);
});

test('of a directory, no more is read than that it is there', async () => {
	etcd.set('small', undefined, 4);
	etcd.set('large', undefined, 4);
	etcd.large = true;
	await open();
	await pass(60_000, { every: 1_000, does: () => ['small', 'large'].forEach((name) => etcd.refresh(name, 4)) });
	expect(directory.entries.map((e) => [toText(e.key), e.kept])).toEqual([
		['/d/large/', 2],
		['/d/small/', 2],
	]);
	expect(asked('large')).toBe(2);
});

test('times are known anew after the clock has jumped', async () => {
	etcd.set('key', 'x', 600);
	await open();
	vi.setSystemTime(Date.now() - 3_600_000);
	const stored = etcd.there.get('/d/key');
	if (stored) stored.until = Date.now() + 500_000;
	await pass(3_000);
	expect(Math.abs((directory.entries[0]?.deadline ?? 0) - Date.now() - 497_000)).toBeLessThan(1_000);
});

test.each([1, 2, 3, 4])('whatever happens, it ends as etcd is (%i)', async (seed) => {
	const random = chance(seed);
	etcd.pause = () => random(80);
	const name = (): string => String(random(30));
	for (let i = 0; i < 20; i++) etcd.set(name(), 'x', random(3) ? 1 + random(5) : undefined);
	await open();
	for (let step = 0; step < 800; step++) {
		const what = random(20);
		if (what < 3) etcd.set(name(), String(step), random(3) ? 1 + random(5) : undefined);
		else if (what === 3) etcd.set(name(), undefined, random(2) ? 1 + random(5) : undefined);
		else if (what === 4) etcd.delete(name());
		else if (what < 9) for (const key of etcd.there.keys()) random(2) && etcd.refresh(key.slice(3), 2 + random(4));
		else if (what === 9 && seed % 2) etcd.cut();
		else if (what === 10 && seed === 4) {
			etcd.failing = true;
			etcd.cut();
		} else if (what < 14) etcd.failing = false;
		etcd.expire();
		await vi.advanceTimersByTimeAsync(random(150));
	}
	etcd.failing = false;
	// All that are refreshed are looked at, and no more of that.
	for (const stored of etcd.there.values()) if (stored.until !== undefined) stored.until = Date.now() + 300_000;
	await pass(40_000);
	const there = [...etcd.there].map(([key, { value, modified }]): [string, number] => [value === undefined ? `${key}/` : key, modified]);
	expect(shown().map(([key]) => key)).toEqual(there.map(([key]) => key).sort());
	for (const [key, modified] of shown()) expect(modified, key).toBeLessThanOrEqual(there.find(([k]) => k === key)?.[1] ?? 0);
	const values = directory.entries.flatMap((e) => (e.folder ? [] : [[toText(e.key), e.value && toText(e.value)]]));
	expect(values).toEqual([...etcd.there].filter(([, { value }]) => value !== undefined).map(([key, { value }]) => [key, value]).sort());
	const many = etcd.asked.length;
	await pass(60_000);
	expect(etcd.asked.slice(many)).toEqual([]);
});
