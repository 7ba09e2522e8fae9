// What the members of the cluster are doing: the gateway is asked every 2 seconds while
// somebody looks. What has been seen stays when the user goes to another page.

import { signal } from '@preact/signals';
import { asFailure, type Failure } from '../api/failure.ts';
import { ask } from '../api/http.ts';
import { append, empty, gap, type History } from './history.ts';
import { roundTrips, type Trips } from './trips.ts';

/** As the gateway tells it. Identifiers are lower hexadecimal, empty if not known; durations are seconds. */
export interface Cluster {
	/** When it was so, by the gateway's clock, in seconds since 1970. */
	time: number;
	api: 'v2' | 'v3';
	/** Empty if no member that answers knows of one. */
	leader: string;
	alarms: { member: string; alarm: string }[];
	members: Member[];
}

/** A member, or one of the gateway's endpoints of which it is not known which member it is. */
export interface Member {
	id: string;
	/** Empty if it has not been started yet. */
	name: string;
	peerURLs: string[];
	clientURLs: string[];
	learner: boolean;
	/** The gateway has an endpoint for it. */
	asked: boolean;
	/** Why there is no status, for people. */
	error: string;
	status: Status | null;
	latency: number;
	metrics: Metrics | null;
}

/** What a member says of itself. What etcd's v2 API does not tell is 0. */
export interface Status {
	version: string;
	dbSize: number;
	dbSizeInUse: number;
	dbSizeQuota: number;
	raftTerm: number;
	raftIndex: number;
	raftAppliedIndex: number;
	revision: number;
	leader: string;
	alarms: string[];
	errors: string[];
}

/** Counters, from the member's start on. */
export interface Metrics {
	requests?: number;
	failed?: number;
	fsync?: Timing;
	commit?: Timing;
	peers: Record<string, Partial<Timing> & { current?: number; average?: number }>;
	activePeers: string[];
}

export interface Timing {
	sum: number;
	count: number;
}

/** A member, and what this page has seen of it before. */
export interface Row extends Member {
	/** Which it is, whatever the gateway knows of it. */
	key: string;
	/** When it last told its status to this page, in milliseconds since 1970. */
	answered: number | undefined;
	/** That status. */
	last: Status | undefined;
}

export interface View {
	/** When the answer came, in milliseconds since 1970. */
	at: number;
	cluster: Cluster;
	rows: Row[];
}

/** The cluster, as it was when the gateway answered last. */
export const view = signal<View | undefined>(undefined);

/** Why the gateway does not answer now, and since when. */
export const silence = signal<{ failure: Failure; since: number } | undefined>(undefined);

export const history = signal<History>(empty);
export const trips = signal<Trips>(new Map());

const every = 2_000;
const everyWhenSilent = 5_000;
// The gateway itself gives its endpoints 2 seconds.
const patience = 6_000;

/** Asks, again and again, until the function that it returns is called. */
export function keepAsking(): () => void {
	const stopped = new AbortController();
	const { signal } = stopped;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let asking = false;

	const round = async (): Promise<void> => {
		clearTimeout(timer);
		if (asking || signal.aborted || document.hidden) return;
		asking = true;
		const began = Date.now();
		try {
			take(await ask<Cluster>('mod/dashboard/api/cluster', { signal, timeout: patience }), Date.now());
		} catch (thrown) {
			if (!signal.aborted) lose(asFailure(thrown), began);
		}
		asking = false;
		const pause = silence.peek() ? everyWhenSilent : every;
		if (!signal.aborted) timer = setTimeout(() => void round(), Math.max(250, began + pause - Date.now()));
	};
	const now = (): void => void round();
	document.addEventListener('visibilitychange', now, { signal });
	window.addEventListener('online', now, { signal });
	now();
	return () => {
		clearTimeout(timer);
		stopped.abort();
	};
}

function take(cluster: Cluster, at: number): void {
	const rows = merge(view.peek()?.rows ?? [], cluster.members, at);
	history.value = append(history.peek(), cluster.time, rows, at);
	trips.value = roundTrips(trips.peek(), cluster.members);
	view.value = { at, cluster, rows };
	silence.value = undefined;
}

function lose(failure: Failure, at: number): void {
	silence.value = { failure, since: silence.peek()?.since ?? at };
	history.value = gap(history.peek(), at);
}

/** The members, with what was seen of them before. */
export function merge(before: readonly Row[], members: readonly Member[], at: number): Row[] {
	return members.map((m) => {
		const key = m.id || m.clientURLs[0] || m.peerURLs[0] || m.name;
		const old = before.find((row) => row.key === key);
		return { ...m, key, answered: m.status ? at : old?.answered, last: m.status ?? old?.last };
	});
}
