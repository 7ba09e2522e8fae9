import { describe, expect, it } from 'vitest';
import { type Message, serverSent } from './server-sent.ts';

async function read(...chunks: string[]): Promise<Message[]> {
	const body = new ReadableStream({
		start(control) {
			for (const chunk of chunks) control.enqueue(new TextEncoder().encode(chunk));
			control.close();
		},
	});
	const found: Message[] = [];
	for await (const message of serverSent(new Response(body))) found.push(message);
	return found;
}

describe('server-sent events', () => {
	const text = ': welcome\n\nevent: state\ndata: {"a":1}\nid: 7\n\n: still there\nid: 9\n\nevent: left\ndata: {"key":"é"}\nid: 12\n\n';
	const all = [
		{ event: '', data: '', id: undefined, comment: 'welcome' },
		{ event: 'state', data: '{"a":1}', id: '7', comment: '' },
		{ event: '', data: '', id: '9', comment: 'still there' },
		{ event: 'left', data: '{"key":"é"}', id: '12', comment: '' },
	];

	it('come with comments, and with ids that come alone', async () => {
		expect(await read(text)).toEqual(all);
	});

	it('may be cut anywhere', async () => {
		for (let i = 1; i < text.length; i++) expect(await read(text.slice(0, i), text.slice(i))).toEqual(all);
		expect(await read(...text)).toEqual(all);
	});

	it('are dropped if the stream ends within one', async () => {
		expect(await read('event: left\ndata: {}\nid: 3\n')).toEqual([]);
	});

	it('may have several lines', async () => {
		expect((await read('data: a\ndata: b\n\n'))[0]?.data).toBe('a\nb');
	});
});
