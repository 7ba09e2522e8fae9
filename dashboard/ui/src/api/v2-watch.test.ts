// etcd's v2 watch tells one change of the past, and then nothing any more.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fromText } from './bytes.ts';
import { type V2Change, watchV2 } from './v2-watch.ts';

let index: number;
let asked: string[];
let open: { enqueue(change: number): void; close(): void } | undefined;
/** Before each look of the watch's, so much has happened meanwhile. */
let meanwhile: number;

const change = (i: number): object => ({ action: i % 2 ? 'set' : 'delete', node: { key: `/d/${i}`, value: 'x', modifiedIndex: i, createdIndex: i } });

beforeEach(() => {
	[index, asked, open, meanwhile] = [10, [], undefined, 0];
	vi.stubGlobal('fetch', (url: URL, { signal }: RequestInit) => {
		index += meanwhile;
		const from = Number(url.searchParams.get('waitIndex'));
		asked.push(url.pathname + url.search);
		if (index - from > 1000) return Promise.resolve(Response.json({ errorCode: 401, message: 'The event in requested index is outdated and cleared', index }, { status: 400 }));
		const body = new ReadableStream<Uint8Array>({
			start(controller) {
				const send = (i: number): void => controller.enqueue(new TextEncoder().encode(`${JSON.stringify(change(i))}\n`));
				open = { enqueue: send, close: () => controller.close() };
				signal?.addEventListener('abort', () => controller.error(signal.reason));
				if (from <= index) send(from);
			},
		});
		return Promise.resolve(new Response(body, { headers: { 'X-Etcd-Index': String(index) } }));
	});
});
afterEach(() => vi.unstubAllGlobals());

function begin(from: number): { started: number; seen: V2Change[]; ended: Promise<void>; stop: AbortController } {
	const stop = new AbortController();
	const told = { started: 0, seen: [] as V2Change[], stop, ended: Promise.resolve() };
	told.ended = watchV2({ key: fromText('/d/'), recursive: true, from }, { onStart: () => told.started++, onChange: (c) => told.seen.push(c) }, stop.signal);
	return told;
}

test('what has happened before it began is told one by one, and then what happens', async () => {
	const told = begin(8);
	await vi.waitFor(() => expect(told.seen).toHaveLength(3));
	await vi.waitFor(() => expect(asked).toHaveLength(4));
	open?.enqueue(11);
	open?.enqueue(12);
	await vi.waitFor(() => expect(told.seen).toHaveLength(5));
	expect(told.seen.map(({ node, deleted }) => [node.modifiedIndex, deleted])).toEqual([8, 9, 10, 11, 12].map((i) => [i, i % 2 === 0]));
	expect(told.started).toBe(1);
	expect(asked.at(-1)).toMatch(/\/v2\/keys\/d\?wait=true&stream=true&recursive=true&waitIndex=11$/);
	open?.close();
	await told.ended;
});

test('where more has happened than is told one by one, everything has to be looked at', async () => {
	meanwhile = 1;
	await expect(begin(5).ended).rejects.toMatchObject({ kind: 'compacted' });
	expect(asked.length).toBeLessThan(30);
});

test('and where etcd has forgotten it', async () => {
	index = 5000;
	await expect(begin(5).ended).rejects.toMatchObject({ kind: 'compacted' });
});

test('it ends when it is given up, and when the connection breaks', async () => {
	const one = begin(11);
	await vi.waitFor(() => expect(one.started).toBe(1));
	one.stop.abort();
	await expect(one.ended).rejects.toMatchObject({ name: 'AbortError' });
	vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')));
	await expect(begin(11).ended).rejects.toMatchObject({ kind: 'unreachable' });
});
