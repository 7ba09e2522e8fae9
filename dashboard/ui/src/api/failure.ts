// What can go wrong with a request, and what a person can do about it.

export type Kind =
	| 'unreachable' // no answer at all
	| 'unavailable' // the gateway has no etcd, or etcd no leader
	| 'unknown' // a write whose answer is missing
	| 'signIn'
	| 'forbidden'
	| 'readOnly'
	| 'crossOrigin'
	| 'compacted'
	| 'conflict'
	| 'notFound'
	| 'noSpace'
	| 'tooLarge'
	| 'busy'
	| 'other';

/** A request that failed. The message is etcd's, or the gateway's, own. */
export class Failure extends Error {
	override readonly name = 'Failure';
	readonly kind: Kind;
	readonly status: number;
	/** The index of etcd's v2 store at that moment, 0 if it was not told. */
	readonly index: number;

	constructor(kind: Kind, message: string, status = 0, index = 0) {
		super(message);
		this.kind = kind;
		this.status = status;
		this.index = index;
	}
}

/** Whatever was thrown, as a failure. */
export function asFailure(thrown: unknown): Failure {
	if (thrown instanceof Failure) return thrown;
	return new Failure('other', thrown instanceof Error ? thrown.message : String(thrown));
}

export function isAbort(thrown: unknown): boolean {
	return thrown instanceof DOMException && thrown.name === 'AbortError';
}

/** What went wrong, and what to do, in words. */
export interface Explanation {
	title: string;
	advice: string;
}

const explanations: Record<Kind, Explanation> = {
	unreachable: {
		title: 'The gateway does not answer',
		advice: 'It may be restarting, or the network may be down. The page tries again by itself.',
	},
	unavailable: {
		title: 'etcd cannot be reached, or has no leader',
		advice: 'Nothing was changed. A cluster needs more than half of its members: see the overview for those that do not answer.',
	},
	unknown: {
		title: 'The answer got lost',
		advice: 'Whether it was done is not known. Look at what is there now before you try again.',
	},
	signIn: {
		title: 'etcd asks who you are',
		advice: 'Sign in with a user of etcd.',
	},
	forbidden: {
		title: 'You may not do this',
		advice: 'Sign in as another user of etcd, or have a role granted that reaches this.',
	},
	readOnly: {
		title: 'This dashboard is for reading only',
		advice: 'The gateway refuses its writes. Use etcdctl or curl, or take read_only out of the Caddyfile.',
	},
	crossOrigin: {
		title: 'The gateway takes this page for one of another site',
		advice: 'A proxy in front of the gateway has to keep the Host header, port included.',
	},
	compacted: {
		title: 'etcd no longer has this revision',
		advice: 'It has been compacted. Only what came after is left.',
	},
	conflict: {
		title: 'Somebody else has changed it meanwhile',
		advice: 'Nothing was written. Look at what is there now.',
	},
	notFound: {
		title: 'It is not there any more',
		advice: 'It has expired, or somebody has deleted it.',
	},
	noSpace: {
		title: 'etcd is full',
		advice: 'It takes no writes until it has been compacted and defragmented, and its NOSPACE alarm disarmed (etcdctl compact, defrag, alarm disarm).',
	},
	tooLarge: {
		title: 'This is more than fits',
		advice: 'etcd takes requests up to 1.5 MiB, unless it was started with another --max-request-bytes.',
	},
	busy: {
		title: 'Too many requests at a time',
		advice: 'The gateway or etcd has reached a limit. Try again in a moment.',
	},
	other: {
		title: 'That did not work',
		advice: 'The message below is all that is known.',
	},
};

export function explain(failure: Failure): Explanation {
	return explanations[failure.kind];
}

/** What the bodies of errors look like: the gateway's and etcd v2's, and etcd v3's. */
interface ErrorBody {
	errorCode?: number;
	message?: string;
	cause?: string;
	index?: number;
	error?: string | { message?: string; grpc_code?: number };
	code?: number;
}

const messages: [RegExp, Kind][] = [
	[/user name is empty|invalid auth token|authentication failed|insufficient credentials|requires user authentication|auth store is old/i, 'signIn'],
	[/permission denied|not permitted/i, 'forbidden'],
	[/database space exceeded/i, 'noSpace'],
	[/revision has been compacted|event in requested index is outdated/i, 'compacted'],
	[/request is too large|message larger than max/i, 'tooLarge'],
	[/too many requests/i, 'busy'],
	[/request (timed out|cancell?ed)|context (deadline exceeded|canceled)|server stopped|leader changed/i, 'unknown'],
	// With these, nothing was done.
	[/no leader|leader election|unhealthy cluster|connection (refused|error)/i, 'unavailable'],
	[/requested lease not found|key not found/i, 'notFound'],
];

const codes: Record<number, Kind> = { 217: 'crossOrigin', 218: 'readOnly', 301: 'unknown', 300: 'unavailable', 100: 'notFound', 101: 'conflict', 105: 'conflict', 401: 'compacted' };

// The gateway's own 300 says that nothing was done. Otherwise a 502 or 503 may stand for a
// connection that broke after the request had been sent.
const statuses: Record<number, Kind> = { 401: 'signIn', 403: 'forbidden', 404: 'notFound', 410: 'compacted', 412: 'conflict', 413: 'tooLarge', 429: 'busy', 502: 'unknown', 503: 'unknown', 504: 'unknown' };

// With these codes, etcd's v2 API has the reason in the cause. Elsewhere that is a key,
// which may read like anything.
const inCause = [300, 301];

/**
 * The failure that an answer with an error status tells of. What only reads has no
 * outcome that could be unknown.
 */
export function fromAnswer(status: number, text: string, writes = false): Failure {
	let body: ErrorBody = {};
	try {
		body = (JSON.parse(text) as ErrorBody | null) ?? {};
	} catch {
		// Caddy's own errors have no body, and a proxy's are pages.
	}
	const inner = typeof body.error === 'object' ? body.error.message : body.error;
	const { errorCode: code, cause } = body;
	const said = body.message ?? inner ?? '';
	const told = code !== undefined && inCause.includes(code) ? `${said}: ${cause}` : said;
	// etcd's v2 API has 300, with the status 500, for whatever else became of a write.
	const coded = code === 300 && status < 502 ? 'unknown' : code === undefined ? undefined : codes[code];
	const kind = messages.find(([pattern]) => pattern.test(told))?.[1] ?? coded ?? statuses[status] ?? 'other';
	const message = [said || `status ${status}`, cause].filter(Boolean).join(': ');
	return new Failure(kind === 'unknown' && !writes ? 'unavailable' : kind, message, status, body.index);
}
