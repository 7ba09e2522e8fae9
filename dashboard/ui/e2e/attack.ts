// What somebody may try from the console of the dashboard's own page, to write all the
// same.

import type { Page } from 'playwright-core';
import { base64 } from './etcd.ts';

export interface Attempt {
	method: string;
	path: string;
	body?: string | undefined;
	headers?: Record<string, string>;
}

const json = (value: unknown): string => JSON.stringify(value);
const key = base64('guarded');
const put = json({ key, value: base64('attacked') });
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

/** A lock and an election that are held under these indices, and a lease. */
export interface Targets {
	lock: { key: string; index: number };
	election: { key: string; name: string };
	lease: string;
}

/** Those that write for sure where the page may write, and break nothing there. */
export function plainWrites({ lock, election, lease }: Targets): Attempt[] {
	return [
		{ method: 'POST', path: 'v3/kv/put', body: put },
		{ method: 'POST', path: 'v3/kv/txn', body: json({ success: [{ requestPut: { key, value: base64('attacked') } }] }) },
		{ method: 'POST', path: 'v3/lease/grant', body: json({ TTL: 600 }) },
		{ method: 'POST', path: 'v3/lease/keepalive', body: json({ ID: lease }) },
		{ method: 'POST', path: 'v3/lease/revoke', body: json({ ID: lease }) },
		{ method: 'POST', path: 'v3/kv/deleterange', body: json({ key }) },
		{ method: 'POST', path: 'mod/v2/lock/attacked?ttl=60' },
		{ method: 'PUT', path: `mod/v2/lock/${lock.key}?ttl=600&index=${lock.index}` },
		{ method: 'DELETE', path: `mod/v2/lock/${lock.key}?index=${lock.index}` },
		{ method: 'PUT', path: 'mod/v2/leader/attacked?ttl=60&name=me' },
		{ method: 'DELETE', path: `mod/v2/leader/${election.key}?name=${election.name}` },
	];
}

/** All others: what writes under another name, what is written otherwise, and etcd's administration. */
export function furtherWrites({ lease }: Targets): Attempt[] {
	const post = (path: string, body: unknown, headers?: Record<string, string>): Attempt => ({
		method: 'POST',
		path,
		body: typeof body === 'string' ? body : json(body),
		...(headers ? { headers } : {}),
	});
	return [
		post('v3/kv/lease/revoke', { ID: lease }),
		post('v3/lock/lock', { name: base64('attacked'), lease }),
		post('v3/lock/unlock', { key }),
		post('v3/election/campaign', { name: base64('attacked'), lease, value: key }),
		post('v3/election/proclaim', { value: key }),
		post('v3/election/resign', {}),
		// A transaction that only reads is none of the page's ways.
		post('v3/kv/txn', { success: [{ requestRange: { key } }] }),
		post('v3/kv/compaction', { revision: '1' }),
		post('v3/auth/enable', {}),
		post('v3/auth/user/add', { name: 'root', password: 'x' }),
		post('v3/cluster/member/add', { peerURLs: ['http://127.0.0.1:1'] }),
		post('v3/cluster/member/remove', { ID: '1' }),
		post('v3/maintenance/alarm', { action: 'ACTIVATE', alarm: 'NOSPACE' }),
		post('v3/maintenance/defragment', {}),
		post('v3/maintenance/downgrade', { action: 'ENABLE', version: '3.6.0' }),
		post('v3/maintenance/transfer-leadership', { targetID: '1' }),
		// Other spellings.
		...['v3//kv/put', 'v3/kv%2fput', 'v3/%6bv/put', 'v3/kv/range/../put', 'v3/kv/range%2f..%2fput', 'v3/kv/put/', 'v3/kv/put?x=/v3/kv/range', 'v3alpha/kv/put', 'v3beta/kv/put', 'V3/kv/put'].map((path) => post(path, put)),
		// Other methods, and names for them.
		...['PUT', 'PATCH', 'DELETE'].map((method) => ({ method, path: 'v3/kv/put', body: put })),
		post('v3/kv/put', put, { 'X-HTTP-Method-Override': 'GET' }),
		post('v3/kv/put', put, { 'Content-Type': 'text/plain' }),
		// Who says that he is no page; a browser does not let that through.
		post('v3/kv/put', put, { Origin: '', 'Sec-Fetch-Site': 'none', Host: 'other' }),
		// The v2 API.
		{ method: 'PUT', path: 'v2/keys/guarded', body: 'value=attacked', headers: form },
		post('v2/keys/guarded', 'value=attacked', form),
		{ method: 'DELETE', path: 'v2/keys/guarded' },
		{ method: 'PUT', path: 'v2/keys/guarded?value=attacked&prevExist=true' },
		{ method: 'PUT', path: 'v2/auth/enable' },
		post('v2/members', { peerURLs: ['http://127.0.0.1:1'] }),
		{ method: 'DELETE', path: 'v2/members/1' },
	];
}

/** Sends them one after the other; the result is "METHOD path: status" of each. */
export function send(page: Page, base: string, attempts: Attempt[]): Promise<string[]> {
	return page.evaluate(
		async ([base, attempts]) => {
			const said: string[] = [];
			for (const { method, path, body, headers } of attempts) {
				const response = await fetch(`${base}/${path}`, { method, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) });
				said.push(`${method} ${path}: ${response.status}`);
				void response.body?.cancel();
			}
			return said;
		},
		[base, attempts] as const,
	);
}

/**
 * Ways to send something without an answer to look at. What the page can know of each
 * is returned; what a WebSocket says, if it opens at all, is etcd's answer to a put.
 */
export function sneak(page: Page, base: string): Promise<Record<string, string>> {
	return page.evaluate(
		async ([base, put]) => {
			const url = `${base}/v3/kv/put`;
			const within = <T>(promise: Promise<T>): Promise<T | 'nothing'> =>
				Promise.race([promise, new Promise<'nothing'>((resolve) => setTimeout(() => resolve('nothing'), 2000))]);
			const socket = (path: string): Promise<string> =>
				within(
					new Promise<string>((resolve) => {
						const ws = new WebSocket(`${base.replace('http', 'ws')}/${path}`);
						ws.onopen = () => ws.send(put);
						ws.onmessage = ({ data }) => resolve(`said ${String(data)}`);
						ws.onerror = () => resolve('refused');
					}),
				);
			const submitted = (target: string): string => {
				const form = Object.assign(document.createElement('form'), { method: 'post', action: url, enctype: 'text/plain', target });
				form.append(Object.assign(document.createElement('input'), { name: put.slice(0, -1) + ',"x":"', value: '"}' }));
				document.body.append(form);
				form.submit();
				form.remove();
				return 'submitted';
			};
			const framed = async (attributes: Partial<HTMLIFrameElement>): Promise<string> => {
				const frame = Object.assign(document.createElement('iframe'), attributes);
				const loaded = new Promise<string>((resolve) => (frame.onload = () => resolve('loaded')));
				document.body.append(frame);
				const said = await within(loaded);
				// With luck, its own window has other rules.
				const own = async (): Promise<string> => String((await frame.contentWindow?.fetch(url, { method: 'POST', body: put }))?.status);
				const status = await within(own()).catch(String);
				frame.remove();
				return `${said}, ${status}`;
			};
			const image = within(
				new Promise<string>((resolve) => {
					const img = new Image();
					img.onload = () => resolve('loaded');
					img.onerror = () => resolve('refused');
					img.src = `${base}/v2/keys/guarded?value=attacked&method=PUT`;
				}),
			);
			return {
				beacon: String(navigator.sendBeacon(url, put)),
				'beacon of JSON': String(navigator.sendBeacon(url, new Blob([put], { type: 'application/json' }))),
				'no-cors': await fetch(url, { method: 'POST', body: put, mode: 'no-cors', referrerPolicy: 'no-referrer' }).then(({ status }) => String(status), String),
				keepalive: await fetch(url, { method: 'POST', body: put, keepalive: true }).then(({ status }) => String(status), String),
				WebSocket: await socket('v3/kv/put?method=POST'),
				'WebSocket, with a reader in its query': await socket('v3/kv/put?method=POST&/v3/kv/range'),
				form: submitted('_self'),
				'form in a frame': submitted('nowhere'),
				frame: await framed({ src: url }),
				'frame of nothing': await framed({ src: 'about:blank' }),
				'frame with a document': await framed({ srcdoc: `<form method=post action="${url}"><input name=x></form>` }),
				image: await image,
				worker: await within(
					new Promise<string>((resolve) => {
						try {
							const source = `fetch(${JSON.stringify(url)}, { method: 'POST', body: ${JSON.stringify(put)} }).then((r) => postMessage(String(r.status)), (e) => postMessage(String(e)))`;
							const worker = new Worker(URL.createObjectURL(new Blob([source])));
							worker.onmessage = ({ data }) => resolve(String(data));
							worker.onerror = () => resolve('refused');
						} catch (error) {
							resolve(String(error));
						}
					}),
				),
			};
		},
		[base, put] as const,
	);
}
