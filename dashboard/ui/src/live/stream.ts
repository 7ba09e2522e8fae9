// Keeps a stream of live data going: it is opened again when it breaks, rests while the
// page is hidden, and says how it is.

import { type ReadonlySignal, signal } from '@preact/signals';
import { asFailure, type Failure } from '../api/failure.ts';
import { authorization, user } from '../api/session.ts';
import { jumps } from './clock.ts';

/**
 * - opening: it has not stood yet
 * - live: what is shown is what etcd has
 * - broken: it was lost, and is tried again
 * - resting: the page is hidden. A browser has six connections to a gateway without
 *   TLS, for all of its pages, so those that nobody sees give theirs back.
 */
export type State = 'opening' | 'live' | 'broken' | 'resting';

export interface Stream {
	readonly state: ReadonlySignal<State>;
	/** Why it is broken, or can't be opened. */
	readonly failure: ReadonlySignal<Failure | undefined>;
	/** Opens it anew at once. */
	retry(): void;
	stop(): void;
}

export interface Opened {
	/** To be called when the stream stands. */
	live(): void;
	/** Aborted when the stream is to end. */
	signal: AbortSignal;
}

const shortest = 250;
const longest = 5_000;

/** Keeps a stream. open returns, or throws, when the stream has ended. */
export function keep(open: (o: Opened) => Promise<void>): Stream {
	const state = signal<State>('opening');
	const failure = signal<Failure | undefined>(undefined);
	let pause = shortest;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let running: AbortController | undefined;
	let stopped = false;

	async function run(): Promise<void> {
		clearTimeout(timer);
		let stood: number | undefined;
		running?.abort();
		if (stopped) return;
		if (document.hidden) {
			state.value = 'resting';
			return;
		}
		if (state.value === 'live') state.value = 'broken';
		const own = new AbortController();
		running = own;
		try {
			await open({
				signal: own.signal,
				live() {
					if (own.signal.aborted) return;
					stood ??= performance.now();
					state.value = 'live';
					failure.value = undefined;
				},
			});
		} catch (thrown) {
			if (own.signal.aborted) return;
			failure.value = asFailure(thrown);
		}
		if (own.signal.aborted) return;
		state.value = state.value === 'opening' ? 'opening' : 'broken';
		// It goes on when another user has signed in, and asks nobody again and again.
		if (failure.value?.kind === 'signIn' || failure.value?.kind === 'forbidden') return;
		// One that had stood for a while is opened again at once. One that ends
		// each time it is opened is not.
		if (stood !== undefined && performance.now() - stood > longest) pause = shortest;
		timer = setTimeout(() => void run(), pause * (0.75 + Math.random() / 2));
		pause = Math.min(pause * 2, longest);
	}

	const again = (): void => {
		pause = shortest;
		void run();
	};
	const visible = (): void => {
		if (document.hidden) {
			clearTimeout(timer);
			running?.abort();
			running = undefined;
			state.value = 'resting';
		} else if (state.value === 'resting') {
			state.value = 'opening';
			again();
		}
	};
	const online = (): void => {
		if (state.value !== 'live') again();
	};
	document.addEventListener('visibilitychange', visible);
	window.addEventListener('online', online);
	// Another user may see other things. (The first run is the one below.)
	let credentials = authorization();
	const unsubscribe = user.subscribe(() => {
		if (authorization() === credentials) return;
		credentials = authorization();
		again();
	});
	// A machine that has slept may have connections that are dead and don't know it.
	let jumped = jumps.peek();
	const unsubscribeJumps = jumps.subscribe((jump) => {
		if (jump === jumped) return;
		jumped = jump;
		again();
	});
	void run();

	return {
		state,
		failure,
		retry: again,
		stop() {
			stopped = true;
			clearTimeout(timer);
			running?.abort();
			document.removeEventListener('visibilitychange', visible);
			window.removeEventListener('online', online);
			unsubscribe();
			unsubscribeJumps();
		},
	};
}

/**
 * Aborts a stream on which nothing has come for a while. Call the function that it
 * returns at each sign of life.
 */
export function watchdog(silence: number, abort: () => void): { sign(): void; stop(): void } {
	let timer = setTimeout(abort, silence);
	return {
		sign() {
			clearTimeout(timer);
			timer = setTimeout(abort, silence);
		},
		stop: () => clearTimeout(timer),
	};
}
