// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventName, Queue } from '../api/modules.ts';
import { now } from './clock.ts';
import { follow, Memory, type Queues } from './queues.ts';

function queue(key: string, ...entries: [index: number, value: string][]): Queue {
	const [first] = entries;
	return {
		key,
		index: first?.[0] ?? 0,
		value: first?.[1] ?? '',
		ttl: first ? 60 : 0,
		queue: entries.map(([index, value], i) => (i === 0 ? { index, value, state: 'held', ttl: 60 } : { index, value, state: 'waiting' })),
	};
}

/** The gateway: each stream that has been opened, and what is asked besides. */
class Gateway {
	readonly streams: Opened[] = [];
	readonly asked: string[] = [];
	/** What it answers: a status other than 200 in place of a stream, or none at all. */
	refuse: (after: string | null) => Response | Error | undefined = () => undefined;
	index = 100;
	list: Queue[] = [];
	one: () => Response = () => Response.json(queue('a', [1, 'x']));

	readonly fetch = (url: URL, { headers, signal }: RequestInit): Promise<Response> => {
		const given = new Headers(headers);
		if (given.get('Accept') !== 'text/event-stream') {
			this.asked.push(url.pathname + url.search);
			if (url.pathname.includes('/v3/')) return Promise.resolve(Response.json({}));
			return Promise.resolve(url.search ? Response.json({ items: this.list }) : this.one());
		}
		const after = given.get('Last-Event-ID');
		const refused = this.refuse(after);
		if (refused instanceof Error) return Promise.reject(refused);
		if (refused) return Promise.resolve(refused);
		const opened = new Opened(after, signal ?? undefined);
		this.streams.push(opened);
		return Promise.resolve(new Response(opened.body, { headers: { 'Content-Type': 'text/event-stream', 'X-Etcd-Index': String(this.index) } }));
	};

	get last(): Opened {
		const last = this.streams.at(-1);
		if (!last) throw new Error('no stream has been opened');
		return last;
	}
}

class Opened {
	readonly after: string | null;
	aborted = false;
	readonly body: ReadableStream<Uint8Array>;
	#control!: ReadableStreamDefaultController<Uint8Array>;

	constructor(after: string | null, signal: AbortSignal | undefined) {
		this.after = after;
		this.body = new ReadableStream({ start: (control) => void (this.#control = control) });
		signal?.addEventListener('abort', () => {
			this.aborted = true;
			this.#control.error(signal.reason);
		});
	}

	#closed = false;

	send(text: string): void {
		if (!this.#closed && !this.aborted) this.#control.enqueue(new TextEncoder().encode(text));
	}

	state(id: number, ...items: Queue[]): void {
		this.send(`event: state\ndata: ${JSON.stringify({ items })}\nid: ${id}\n\n`);
	}

	event(name: EventName, id: number, after: Queue, entry: [index: number, value: string]): void {
		this.send(`event: ${name}\ndata: ${JSON.stringify({ ...after, entry: { index: entry[0], value: entry[1] } })}\nid: ${id}\n\n`);
	}

	end(): void {
		if (!this.#closed) this.#control.close();
		this.#closed = true;
	}

	break(): void {
		this.#control.error(new TypeError('network error'));
	}
}

let gateway: Gateway;
let memory: Memory;
let following: Queues | undefined;
let hidden = false;

beforeEach(() => {
	vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] });
	vi.setSystemTime(1_800_000_000_000);
	gateway = new Gateway();
	memory = new Memory();
	hidden = false;
	Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
	vi.stubGlobal('fetch', gateway.fetch);
});

afterEach(() => {
	following?.stream.stop();
	following = undefined;
	vi.useRealTimers();
	vi.unstubAllGlobals();
});

const pass = (ms = 100): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const begin = async (...items: Queue[]): Promise<Queues> => {
	following = follow('lock', memory);
	await pass(1);
	gateway.last.state(10, ...items);
	await pass();
	return following;
};
const values = (queues: Queues, key: string): string[] | undefined => queues.row(key)?.queue.map((e) => e.value);
const look = (is: boolean): void => {
	hidden = is;
	document.dispatchEvent(new Event('visibilitychange'));
};

describe('what is known', () => {
	it('is the state, and then what happens', async () => {
		const queues = await begin(queue('b', [2, 'y']), queue('a', [1, 'x']));
		expect(queues.stream.state.value).toBe('live');
		expect(queues.rows.value.map((row) => row.key)).toEqual(['a', 'b']);
		gateway.last.event('queued', 11, queue('a', [1, 'x'], [11, 'z']), [11, 'z']);
		await pass();
		expect(values(queues, 'a')).toEqual(['x', 'z']);
		gateway.last.event('released', 12, { ...queue('a'), queue: [{ index: 11, value: 'z', state: 'waiting' }] }, [1, 'x']);
		gateway.last.event('acquired', 12, queue('a', [11, 'z']), [11, 'z']);
		await pass();
		expect(values(queues, 'a')).toEqual(['z']);
		expect(queues.happenings('a').map((h) => `${h.name} ${h.value}`)).toEqual(['acquired z', 'released x', 'queued z']);
	});

	it('keeps the row of a name that has nobody for a moment', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		gateway.last.event('released', 11, queue('a'), [1, 'x']);
		await pass();
		expect(queues.rows.value.map((row) => row.queue.length)).toEqual([0]);
		await pass(1000);
		expect(queues.rows.value).toEqual([]);
		gateway.last.event('acquired', 13, queue('a', [13, 'y']), [13, 'y']);
		await pass(2000);
		expect(queues.rows.value).toHaveLength(1);
	});

	it('says since when somebody holds, and whether it knows', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		expect(queues.row('a')?.since).toEqual({ at: 1_800_000_000_001, exact: false });
		await pass(5000);
		gateway.last.event('acquired', 12, queue('a', [12, 'y']), [12, 'y']);
		await pass();
		const since = queues.row('a')?.since;
		expect(since).toEqual({ at: 1_800_000_005_101, exact: true });
		gateway.last.event('queued', 13, queue('a', [12, 'y'], [13, 'z']), [13, 'z']);
		await pass();
		expect(queues.row('a')?.since).toEqual(since);
	});

	it('does not jump within a second, since seconds are told without their fractions', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		const { deadline } = queues.row('a') ?? {};
		await pass(400);
		gateway.last.event('queued', 13, { ...queue('a', [1, 'x'], [13, 'z']), ttl: 59 }, [13, 'z']);
		await pass();
		expect(queues.row('a')?.deadline).toBe(deadline);
		gateway.last.event('renewed', 13, { ...queue('a', [1, 'x'], [13, 'z']), ttl: 20 }, [1, 'x']);
		await pass();
		expect(queues.row('a')).toMatchObject({ deadline: 1_800_000_021_091, full: 20 });
	});

	it('is when a time is over: of a grant all of it, of a list the middle of what it may be', async () => {
		const queues = await begin();
		gateway.last.event('acquired', 11, { ...queue('a', [11, 'x']), ttl: 40 }, [11, 'x']);
		await pass(1);
		expect(queues.row('a')).toMatchObject({ deadline: Date.now() - 1 + 40_000, full: 40 });
		gateway.list = [{ ...queue('a', [11, 'x']), ttl: 30 }];
		gateway.last.end();
		await pass(2_000);
		const { deadline = 0 } = queues.row('a') ?? {};
		expect(deadline - Date.now()).toBeGreaterThan(28_400);
		expect(deadline - Date.now()).toBeLessThanOrEqual(30_500);
	});

	it('takes a state in the middle as what has happened just now', async () => {
		const queues = await begin(queue('a', [1, 'x'], [2, 'y']), queue('b', [3, 'z']));
		gateway.last.state(20, queue('a', [2, 'y']));
		await pass();
		expect(queues.rows.value.map((row) => row.key)).toEqual(['a']);
		expect(queues.row('a')?.since?.exact).toBe(true);
		expect(queues.happenings().map((h) => `${h.name} ${h.value} ${h.from}`)).toEqual(['gone z undefined', 'acquired y undefined', 'gone x undefined']);
	});
});

describe('after a break', () => {
	it('goes on after the last event, tells twice of nothing, and corrects the times', async () => {
		const queues = await begin(queue('a', [1, 'x']), queue('b', [2, 'y']));
		gateway.last.event('queued', 11, queue('a', [1, 'x'], [11, 'z']), [11, 'z']);
		await pass(3000);
		gateway.last.break();
		await pass(1);
		expect(queues.stream.state.value).toBe('broken');
		gateway.list = [{ ...queue('b', [2, 'y']), ttl: 300 }];
		gateway.index = 15;
		await pass(1000);
		expect(gateway.last.after).toBe('11');
		expect(queues.stream.state.value).toBe('live');
		gateway.last.event('queued', 11, queue('a', [1, 'x'], [11, 'z']), [11, 'z']);
		gateway.last.event('acquired', 15, queue('a', [11, 'z']), [11, 'z']);
		gateway.last.event('acquired', 16, queue('c', [16, 'w']), [16, 'w']);
		await pass();
		expect(queues.happenings('a').map((h) => h.name)).toEqual(['acquired', 'queued']);
		// That was some time while it did not listen; this was not.
		expect(queues.row('a')?.since?.exact).toBe(false);
		expect(queues.happenings('a')[0]?.from).toBe(1_800_000_003_101);
		expect(queues.row('c')?.since?.exact).toBe(true);
		expect(gateway.asked.filter((path) => path.includes('limit'))).toHaveLength(2);
		expect((queues.row('b')?.deadline ?? 0) - Date.now()).toBeGreaterThan(295_000);
	});

	it('begins anew, at once, where etcd has forgotten what came since', async () => {
		const queues = await begin(queue('a', [1, 'x']), queue('b', [2, 'y']));
		gateway.refuse = (after) => (after === null ? undefined : Response.json({ errorCode: 401, message: 'The event in requested index is outdated and cleared' }, { status: 410 }));
		gateway.last.end();
		await pass(400);
		expect(gateway.last.after).toBeNull();
		expect(gateway.streams).toHaveLength(2);
		expect(queues.stream.failure.value).toBeUndefined();
		gateway.last.state(5000, queue('a', [4000, 'w']));
		await pass(1000);
		expect(queues.stream.state.value).toBe('live');
		expect(queues.rows.value.map((row) => `${row.key} ${row.value}`)).toEqual(['a w']);
		expect(queues.happenings().every((h) => h.from !== undefined)).toBe(true);
	});

	it('tries again and again, more and more seldom, and says why', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		let tries = 0;
		gateway.refuse = () => {
			tries++;
			return new TypeError('Failed to fetch');
		};
		gateway.last.break();
		await pass(60_000);
		expect(tries).toBeGreaterThan(8);
		expect(tries).toBeLessThan(25);
		expect(queues.stream.failure.value?.kind).toBe('unreachable');
		gateway.refuse = () => undefined;
		await pass(7000);
		expect(queues.stream.state.value).toBe('live');
	});

	it('does not run against a stream that ends each time', async () => {
		await begin();
		for (let i = 0; i < 30; i++) {
			gateway.last.end();
			await pass(1000);
		}
		expect(gateway.streams.length).toBeLessThan(16);
	});

	it('is a break if nothing has come for 40 seconds', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		for (let i = 0; i < 8; i++) {
			await pass(15_000);
			gateway.last.send(`: still there\nid: ${20 + i}\n\n`);
		}
		await pass(100);
		expect(gateway.streams).toHaveLength(1);
		await pass(39_000);
		expect(gateway.streams).toHaveLength(1);
		await pass(2500);
		expect(gateway.streams).toHaveLength(2);
		expect(gateway.streams[0]?.aborted).toBe(true);
		expect(gateway.last.after).toBe('27');
		expect(queues.stream.state.value).toBe('live');
	});

	it('is one that the clock has jumped', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		const stop = now.subscribe(() => undefined);
		await pass(1000);
		vi.setSystemTime(Date.now() + 3_600_000);
		gateway.list = [{ ...queue('a', [1, 'x']), ttl: 50 }];
		gateway.one = () => Response.json(gateway.list[0]);
		await pass(1000);
		stop();
		expect(gateway.streams).toHaveLength(2);
		expect(Math.abs((queues.row('a')?.deadline ?? 0) - Date.now() - 50_000)).toBeLessThan(1500);
	});
});

describe('a page', () => {
	it('that is hidden gives its connection back, and goes on when it is seen', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		look(true);
		await pass();
		expect(gateway.streams[0]?.aborted).toBe(true);
		expect(queues.stream.state.value).toBe('resting');
		await pass(60_000);
		expect(gateway.streams).toHaveLength(1);
		look(false);
		await pass();
		expect(gateway.last.after).toBe('10');
		expect(queues.stream.state.value).toBe('live');
		// After a long time, how everything is says it quicker.
		look(true);
		await pass(10 * 60_000);
		look(false);
		await pass();
		expect(gateway.last.after).toBeNull();
	});

	it('that is left leaves nothing behind, and goes on when it is come back to', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		queues.stream.stop();
		await pass();
		expect(gateway.streams[0]?.aborted).toBe(true);
		expect(vi.getTimerCount()).toBe(0);
		look(false);
		window.dispatchEvent(new Event('online'));
		await pass(60_000);
		expect(gateway.streams).toHaveLength(1);
		following = follow('lock', memory);
		expect(following.rows.value).toHaveLength(1);
		await pass();
		expect(gateway.last.after).toBe('10');
	});
});

describe('much at once', () => {
	it('is drawn a few times only', { timeout: 20_000 }, async () => {
		const queues = await begin(...Array.from({ length: 1000 }, (_, i) => queue(`k${i}`, [i + 1, 'x'])));
		let drawn = 0;
		const stop = queues.rows.subscribe(() => drawn++);
		for (let i = 0; i < 3_000; i++) gateway.last.event('left', 20_000 + i, queue('k1', [2, 'x']), [i, 'w']);
		await pass(2000);
		stop();
		expect(drawn).toBeLessThan(70);
		expect(queues.rows.value).toHaveLength(1000);
		expect(queues.happenings('k1').length).toBeLessThanOrEqual(60);
		expect(queues.happenings().length).toBeLessThanOrEqual(400);
	});
});

describe('more than can be read', () => {
	it('is not read later: how everything is comes in its place', async () => {
		const queues = await begin(queue('a', [1, 'x'], [2, 'y']));
		gateway.last.send(': Too slow: what has not been read is not kept\n\n');
		gateway.last.end();
		await pass(400);
		expect(gateway.last.after).toBeNull();
		gateway.last.state(900, queue('a', [2, 'y']));
		await pass();
		expect(values(queues, 'a')).toEqual(['y']);
		expect(queues.stream.state.value).toBe('live');
	});
});

describe('a holder whose time is over', () => {
	it('is asked for once, and has renewed', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		gateway.one = () => Response.json({ ...queue('a', [1, 'x']), ttl: 600 });
		await pass(62_000);
		gateway.last.send(': still there\n\n');
		expect(gateway.asked.filter((path) => path.endsWith('/lock/a'))).toHaveLength(0);
		for (let i = 0; i < 10; i++) {
			await pass(10_000);
			gateway.last.send(': still there\n\n');
		}
		expect(gateway.asked.filter((path) => path.endsWith('/lock/a'))).toHaveLength(1);
		expect((queues.row('a')?.deadline ?? 0) - Date.now()).toBeGreaterThan(450_000);
	});

	it('of whom nothing can be heard: etcd is away, and that is said until it is back', async () => {
		const queues = await begin(queue('a', [1, 'x']));
		const away = (): Response => Response.json({ errorCode: 300, message: 'etcd can not be reached' }, { status: 503 });
		gateway.one = away;
		for (let i = 0; i < 7; i++) {
			await pass(10_000);
			gateway.last.send(': still there\n\n');
		}
		await pass(1000);
		expect(queues.stream.state.value).toBe('broken');
		expect(queues.stream.failure.value?.kind).toBe('unavailable');
		const before = gateway.streams.length;
		await pass(20_000);
		expect(gateway.streams).toHaveLength(before);
		gateway.one = () => Response.json({ ...queue('a', [1, 'x']), ttl: 600 });
		gateway.list = [{ ...queue('a', [1, 'x']), ttl: 600 }];
		await pass(7000);
		expect(queues.stream.state.value).toBe('live');
		expect((queues.row('a')?.deadline ?? 0) - Date.now()).toBeGreaterThan(450_000);
	});
});
