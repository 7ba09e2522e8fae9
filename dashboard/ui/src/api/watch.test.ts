import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Bytes } from './bytes.ts';
import { lines, watch, type Change } from './watch.ts';

/** An answer that comes in these pieces. */
function pieces(parts: Uint8Array[]): Response {
	return new Response(
		new ReadableStream({
			start(controller) {
				for (const part of parts) controller.enqueue(part);
				controller.close();
			},
		}),
	);
}

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

async function collect(answer: Response): Promise<string[]> {
	const all: string[] = [];
	for await (const line of lines(answer)) all.push(line);
	return all;
}

describe('lines', () => {
	const text = '{"a":"ü"}\n\n{"b":"日本🔑"}\r\n  \n{"c":1}\n{"unfinished';
	const whole = ['{"a":"ü"}', '{"b":"日本🔑"}\r', '{"c":1}'];

	test('wherever the borders of two pieces are', async () => {
		const bytes = encoded(text);
		for (let i = 0; i <= bytes.length; i++) {
			for (const j of [i, i + 1, i + 5, bytes.length]) expect(await collect(pieces([bytes.subarray(0, i), bytes.subarray(i, j), bytes.subarray(j)]))).toEqual(whole);
		}
		expect(await collect(pieces(Array.from(bytes, (b) => Uint8Array.of(b))))).toEqual(whole);
	});

	test('of nothing', async () => {
		expect(await collect(pieces([]))).toEqual([]);
		expect(await collect(new Response(null))).toEqual([]);
	});

	test('a reader that goes away ends the answer', async () => {
		const cancel = vi.fn();
		const answer = new Response(new ReadableStream({ start: (c) => c.enqueue(encoded('1\n2\n')), cancel }));
		for await (const line of lines(answer)) if (line === '1') break;
		await vi.waitFor(() => expect(cancel).toHaveBeenCalled());
	});
});

describe('a watch', () => {
	afterEach(() => vi.unstubAllGlobals());
	const b = (text: string): string => Buffer.from(text).toString('base64');

	async function run(objects: unknown[]): Promise<{ started: number[]; seen: [Change[], number][]; sent: Headers | undefined }> {
		const told = { started: [] as number[], seen: [] as [Change[], number][], sent: undefined as Headers | undefined };
		vi.stubGlobal('fetch', (_: URL, { headers }: RequestInit) => {
			told.sent = new Headers(headers);
			return Promise.resolve(pieces([encoded(objects.map((o) => JSON.stringify(o) + '\n').join(''))]));
		});
		await watch({ key: 'k' as Bytes, from: 5 }, { onStart: (revision) => told.started.push(revision), onChanges: (...what) => told.seen.push(what) }, new AbortController().signal);
		return told;
	}

	test('tells that it stands, and of what happens', async () => {
		const { started, seen, sent } = await run([
			{ result: { header: { revision: '4' }, created: true } },
			{ result: { header: { revision: '6' }, events: [{ kv: { key: b('k'), value: b('v'), mod_revision: '6' } }, { type: 'DELETE', kv: { key: b('l'), mod_revision: '6' } }] } },
			{ result: { header: { revision: '9' } } }, // progress
		]);
		expect(started).toEqual([4]);
		expect(sent?.get('Grpc-Metadata-Hasleader')).toBe('true');
		expect(seen).toHaveLength(1);
		expect(seen[0]?.[1]).toBe(6);
		expect(seen[0]?.[0]).toMatchObject([
			{ deleted: false, kv: { key: 'k', value: 'v', modRevision: 6 } },
			{ deleted: true, kv: { key: 'l', value: '' } },
		]);
	});

	const ends: [what: string, object: unknown, kind: string][] = [
		['a revision that is gone', { result: { canceled: true, compact_revision: '7', cancel_reason: 'etcdserver: mvcc: required revision has been compacted' } }, 'compacted'],
		['no permission', { result: { watch_id: '-1', created: true, canceled: true, cancel_reason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied' } }, 'forbidden'],
		['no leader', { result: { canceled: true, cancel_reason: 'etcdserver: no leader' } }, 'unavailable'],
		['a leader that is lost', { error: { grpc_code: 14, http_code: 503, message: 'etcdserver: no leader', http_status: 'Service Unavailable' } }, 'unavailable'],
		['no reason', { result: { canceled: true } }, 'other'],
		['an error of the stream', { error: { grpc_code: 14, message: 'etcdserver: server stopped' } }, 'unavailable'],
	];
	test.each(ends)('ends by %s', async (_, object, kind) => {
		await expect(run([object])).rejects.toMatchObject({ kind });
	});
});
