// What happened in a page, whatever the test looked at.

import type { BrowserContext, CDPSession, Page } from 'playwright-core';

export interface SeenRequest {
	url: string;
	method: string;
	/** Document, Script, Fetch, EventSource, WebSocket, ... as DevTools calls them. */
	type: string;
	/** Milliseconds since the page was opened; until then it has not happened. */
	sent: number;
	/** Milliseconds when it was sent, by the browser's own clock. */
	sentAt?: number;
	answered?: number;
	ended?: number;
	/** 0 before the answer, and if there was none. */
	status: number;
	/** What was sent, if it was text. */
	body: string;
	/** Bytes of the body so far, and what of them went over the wire. */
	size: number;
	wire: number;
	/** Why it failed, such as net::ERR_CONNECTION_REFUSED. */
	failure?: string;
}

/** What fails a test, unless it says that it tolerates it. */
export type Problem = 'csp' | 'pageerror' | 'console' | 'origin' | 'dialog';

export class Seen {
	readonly requests: SeenRequest[] = [];
	/** What there was of each kind, in words. */
	readonly problems: Record<Problem, string[]> = { csp: [], pageerror: [], console: [], origin: [], dialog: [] };
	/** What Chromium says of answers that are errors, or did not come; no problem by itself. */
	readonly failedLoads: string[] = [];
	readonly #began = performance.now();

	/** Milliseconds since the page was opened, the clock of the requests. */
	get now(): number {
		return performance.now() - this.#began;
	}

	/** Requests whose path, from /v3 or /mod on, matches. */
	matching(path: RegExp | string): SeenRequest[] {
		return this.requests.filter(({ url }) => (typeof path === 'string' ? url.includes(path) : path.test(url)));
	}

	/** Requests that were sent since, as "METHOD url". */
	since(time: number): string[] {
		return this.requests.filter(({ sent }) => sent >= time).map(({ method, url }) => `${method} ${url}`);
	}

	/** A line for each problem that is not tolerated. */
	complaints(tolerated: readonly Problem[] = []): string[] {
		return (Object.keys(this.problems) as Problem[])
			.filter((kind) => !tolerated.includes(kind))
			.flatMap((kind) => this.problems[kind].map((text) => `${kind}: ${text}`));
	}

	note(problem: Problem, text: string): void {
		this.problems[problem].push(text);
	}
}

const reporter = '__seenViolation';

/** Has everything noted that happens in the context; before its first page. */
export async function watchContext(context: BrowserContext, seen: Seen, origin: string): Promise<void> {
	await context.exposeBinding(reporter, (_source, text: string) => seen.note('csp', text));
	await context.addInitScript((name) => {
		document.addEventListener('securitypolicyviolation', (event) => {
			const { effectiveDirective, blockedURI, sourceFile, lineNumber, sample } = event;
			const report = (window as unknown as Record<string, ((text: string) => void) | undefined>)[name];
			report?.(`${effectiveDirective} refused ${blockedURI} at ${sourceFile}:${lineNumber} ${sample}`);
		});
	}, reporter);
	context.on('request', (request) => {
		const url = new URL(request.url());
		// What has no origin comes from the page itself, and CSP has its say on that.
		if (url.origin !== 'null' && url.origin !== origin) seen.note('origin', `${request.method()} ${request.url()}`);
	});
	context.on('weberror', (error) => seen.note('pageerror', error.error().stack ?? error.error().message));
	context.on('console', (message) => {
		const text = message.text();
		if (message.type() !== 'error') return;
		if (text.startsWith('Failed to load resource:')) seen.failedLoads.push(`${text} ${message.location().url}`);
		else if (/content security policy/i.test(text)) seen.note('csp', text);
		else seen.note('console', text);
	});
	context.on('dialog', (dialog) => {
		// To leave a page with unsaved text may be asked about, and is what the test wants.
		if (dialog.type() === 'beforeunload') return void dialog.accept();
		seen.note('dialog', `${dialog.type()} ${dialog.message()}`);
		void dialog.dismiss();
	});
}

/** Has the page's requests noted, with what is still coming in; before it goes anywhere. */
export async function watchRequests(page: Page, seen: Seen): Promise<CDPSession> {
	const session = await page.context().newCDPSession(page);
	const open = new Map<string, SeenRequest>();
	session.on('Network.requestWillBeSent', ({ requestId, request, type = 'Other', redirectResponse, timestamp }) => {
		const before = open.get(requestId);
		if (before && redirectResponse) {
			before.status = redirectResponse.status;
			before.answered = before.ended = seen.now;
		}
		const noted: SeenRequest = { url: request.url, method: request.method, type, sent: seen.now, sentAt: timestamp * 1000, status: 0, body: request.postData ?? '', size: 0, wire: 0 };
		open.set(requestId, noted);
		seen.requests.push(noted);
	});
	session.on('Network.webSocketCreated', ({ url }) => {
		seen.requests.push({ url, method: 'GET', type: 'WebSocket', sent: seen.now, status: 0, body: '', size: 0, wire: 0 });
	});
	session.on('Network.responseReceived', ({ requestId, response }) => {
		const noted = open.get(requestId);
		if (noted) Object.assign(noted, { status: response.status, answered: seen.now });
	});
	session.on('Network.dataReceived', ({ requestId, dataLength, encodedDataLength }) => {
		const noted = open.get(requestId);
		if (!noted) return;
		noted.size += dataLength;
		noted.wire += encodedDataLength;
	});
	session.on('Network.loadingFinished', ({ requestId }) => {
		const noted = open.get(requestId);
		if (noted) noted.ended = seen.now;
	});
	session.on('Network.loadingFailed', ({ requestId, errorText, blockedReason }) => {
		const noted = open.get(requestId);
		if (noted) Object.assign(noted, { ended: seen.now, failure: blockedReason ?? errorText });
	});
	await session.send('Network.enable');
	return session;
}
