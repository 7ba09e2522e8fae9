// @vitest-environment happy-dom
// An etcd that is slow to tell, and a folder that is to end as that etcd is.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Bytes, fromText } from '../api/bytes.ts';
import { Failure } from '../api/failure.ts';
import type { KeyValue, Range, RangeOptions } from '../api/v3.ts';
import type { Change, WatchHandlers, WatchOptions } from '../api/watch.ts';
import { subfolder } from '../api/folders.ts';
import { chance } from './chance.fixture.ts';

interface Event {
	revision: number;
	change: Change;
}

class FakeEtcd {
	readonly keys = new Map<Bytes, KeyValue>();
	readonly events: Event[] = [];
	revision = 1;
	compacted = 0;
	broken = false;
	readonly #random: (below: number) => number;
	readonly #watchers = new Set<{ stop(): void }>();

	constructor(random: (below: number) => number) {
		this.#random = random;
	}

	put(key: Bytes): void {
		this.revision++;
		const old = this.keys.get(key);
		const kv = { key, value: fromText(String(this.revision)), createRevision: old?.createRevision ?? this.revision, modRevision: this.revision, version: (old?.version ?? 0) + 1, lease: '0' };
		this.keys.set(key, kv);
		this.events.push({ revision: this.revision, change: { deleted: false, kv } });
	}

	delete(key: Bytes): void {
		if (!this.keys.delete(key)) return;
		this.revision++;
		const kv = { key, value: '' as Bytes, createRevision: 0, modRevision: this.revision, version: 0, lease: '0' };
		this.events.push({ revision: this.revision, change: { deleted: true, kv } });
	}

	/** Ends all watches. */
	cut(): void {
		for (const watcher of this.#watchers) watcher.stop();
	}

	#pause(longest = 12): Promise<void> {
		return new Promise((resolve) => setTimeout(resolve, this.#random(longest)));
	}

	// What it answers is as it was at one moment between the request and the answer.
	range = async ({ key, end, limit, keysOnly, countOnly }: RangeOptions, signal?: AbortSignal): Promise<Range> => {
		await this.#pause();
		if (this.broken) throw new Failure('unreachable', 'broken');
		const inside = [...this.keys.values()].filter((kv) => (end === undefined ? kv.key === key : kv.key >= key && (end === '\0' || kv.key < end))).sort((a, b) => (a.key < b.key ? -1 : 1));
		const kvs = countOnly ? [] : inside.slice(0, limit ? Math.min(limit, 15) : undefined).map((kv) => (keysOnly ? { ...kv, value: '' as Bytes } : kv));
		const answer = { revision: this.revision, kvs, more: kvs.length < inside.length, count: inside.length, bytes: 100 };
		await this.#pause(60);
		if (signal?.aborted) throw new DOMException('', 'AbortError');
		return answer;
	};

	watch = async ({ from }: WatchOptions, handlers: WatchHandlers, signal: AbortSignal): Promise<void> => {
		await this.#pause();
		if (this.broken) throw new Failure('unreachable', 'broken');
		if (from <= this.compacted) throw new Failure('compacted', 'compacted');
		handlers.onStart(this.revision);
		let stopped = false;
		const watcher = { stop: () => (stopped = true) };
		this.#watchers.add(watcher);
		for (let next = from; !stopped && !signal.aborted; ) {
			await this.#pause();
			if (stopped || signal.aborted) break;
			const events = this.events.filter((e) => e.revision >= next).slice(0, 1 + this.#random(20));
			const last = events.at(-1);
			if (!last) continue;
			handlers.onChanges(
				events.map((e) => e.change),
				this.revision,
			);
			next = last.revision + 1;
		}
		this.#watchers.delete(watcher);
	};
}

let etcd: FakeEtcd;
vi.mock('../api/v3.ts', async (original) => ({ ...(await original<object>()), range: (...a: Parameters<FakeEtcd['range']>) => etcd.range(...a) }));
vi.mock('../api/watch.ts', () => ({ watch: (...a: Parameters<FakeEtcd['watch']>) => etcd.watch(...a) }));

beforeEach(() => {
	vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'requestAnimationFrame', 'cancelAnimationFrame', 'performance', 'Date'] });
});
afterEach(() => {
	vi.useRealTimers();
});

test.each(Array.from({ length: 6 }, (_, i) => i + 1))('whatever happens, it ends as etcd is (%i)', async (seed) => {
	const { openFolder } = await import('./keys.ts');
	const random = chance(seed);
	etcd = new FakeEtcd(random);
	// Some hundred keys, and folders of a few that come and go.
	const name = (): Bytes => fromText(random(2) === 0 ? String(random(900)).padStart(3, '0') : `${String(random(40)).padStart(2, '0')}/${random(3)}`);
	for (let i = 0; i < 700; i++) etcd.put(name());
	const folder = openFolder('' as Bytes);
	for (let step = 0; step < 400; step++) {
		for (let i = random(8); i > 0; i--) random(5) < 2 + (step > 300 ? 2 : 0) ? etcd.delete(name()) : etcd.put(name());
		if (random(15) === 0) folder.want(random(600));
		if (random(10) === 0) folder.seen(random(20), 20 + random(40));
		// In some of these worlds nothing breaks, so that nothing is mended by reading it anew.
		if (seed % 3 > 0 && random(60) === 0) etcd.cut();
		if (seed % 3 === 2 && random(80) === 0) [etcd.compacted, etcd.broken] = [etcd.revision, true];
		if (etcd.broken && random(4) === 0) etcd.broken = false;
		if (etcd.broken) etcd.cut();
		await vi.advanceTimersByTimeAsync(random(20));
	}
	etcd.broken = false;
	folder.want(1000);
	folder.seen(0, 1000);
	await vi.advanceTimersByTimeAsync(60_000);

	const keys = [...etcd.keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
	const expected = new Map<Bytes, number>();
	for (const kv of keys) {
		const inner = subfolder('' as Bytes, kv.key);
		if (inner === undefined) expected.set(kv.key, kv.modRevision);
		else expected.set(inner, (expected.get(inner) ?? 0) + 1);
	}
	expect(folder.stream.state.value).toBe('live');
	expect(folder.entries.map((e) => [e.key, e.folder ? e.count : e.modified])).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)));
	expect(folder.count).toBe(keys.length);
	expect(folder.complete).toBe(true);
	for (const entry of folder.entries) {
		if (entry.folder) continue;
		const text = entry.value ?? (typeof entry.preview === 'object' ? entry.preview.text : undefined);
		expect(text).toBe(etcd.keys.get(entry.key)?.value);
	}
	folder.stop();
});
