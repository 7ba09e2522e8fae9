// How much there is in etcd. It is counted once, when the page is opened: what changes is
// on the pages that these lead to.

import { useEffect, useState } from 'preact/hooks';
import type { Bytes } from '../../api/bytes.ts';
import { asFailure, explain, type Failure, isAbort } from '../../api/failure.ts';
import { ask } from '../../api/http.ts';
import type { Module, Queue } from '../../api/modules.ts';
import { user } from '../../api/session.ts';
import { range } from '../../api/v3.ts';
import type { View } from '../../live/cluster.ts';
import { href } from '../../router.ts';
import { settings } from '../../settings.ts';
import { count, Panel } from '../../ui/parts.tsx';
import { clock } from './health.ts';

type Counted = { words: string } | { failure: Failure };

// Of more, it is said that there are more.
const most = 500;

async function keys(signal: AbortSignal): Promise<string> {
	const found = await range({ key: '' as Bytes, end: '\0' as Bytes, countOnly: true }, signal);
	return count(found.count);
}

async function queues(module: Module, describe: (all: Queue[], more: boolean) => string, signal: AbortSignal): Promise<string> {
	const { items, continue: rest } = await ask<{ items: Queue[]; continue?: string }>(`mod/v2/${module}/?limit=${most}`, { headers: { Accept: 'application/json' }, signal });
	return describe(items, Boolean(rest));
}

const number = (n: number, more: boolean): string => count(n) + (more ? '+' : '');

const locks = (signal: AbortSignal): Promise<string> =>
	queues('lock', (all, more) => `${number(all.filter((q) => q.index > 0).length, more)} held, ${number(waiting(all), more)} waiting`, signal);

const elections = (signal: AbortSignal): Promise<string> =>
	queues('leader', (all, more) => `${number(all.filter((q) => q.index > 0).length, more)} led, ${number(waiting(all), more)} waiting`, signal);

/** How many wait in these queues. */
export function waiting(all: readonly Queue[]): number {
	return all.reduce((sum, q) => sum + q.queue.filter((e) => e.state === 'waiting').length + (q.more ?? 0), 0);
}

const counted = [
	...(settings.api === 'v3' ? [{ name: 'Keys', page: 'keys', find: keys } as const] : []),
	{ name: 'Locks', page: 'locks', find: locks },
	{ name: 'Elections', page: 'elections', find: elections },
] as const;

export function Counts({ view }: { view: View }) {
	const [found, setFound] = useState<Record<string, Counted>>({});
	const [at, setAt] = useState(0);
	const who = user.value;
	const led = view.cluster.leader !== '';
	useEffect(() => {
		if (!led) return;
		const stopped = new AbortController();
		setAt(Date.now());
		for (const { name, find } of counted) {
			find(stopped.signal).then(
				(words) => setFound((old) => ({ ...old, [name]: { words } })),
				(thrown: unknown) => {
					if (!isAbort(thrown)) setFound((old) => ({ ...old, [name]: { failure: asFailure(thrown) } }));
				},
			);
		}
		return () => stopped.abort();
	}, [who, led]);
	const revision = Math.max(0, ...view.rows.map((r) => r.last?.revision ?? 0));
	return (
		<Panel title="In etcd" actions={at > 0 && <span class="muted overview-small">counted at {clock(at)}</span>} bare class="overview-counts">
			<dl>
				{counted.map(({ name, page }) => (
					<div key={name}>
						<dt>
							<a href={href(page)}>{name}</a>
						</dt>
						<dd class="data">{found[name] || led ? show(found[name]) : '–'}</dd>
					</div>
				))}
				{revision > 0 && (
					<div>
						<dt title="How often keys have been changed; it is asked for together with the members’ state">{settings.api === 'v3' ? 'Revision' : 'Index'}</dt>
						<dd class="data">{count(revision)}</dd>
					</div>
				)}
			</dl>
		</Panel>
	);
}

function show(value: Counted | undefined) {
	if (!value) return <span class="muted">…</span>;
	if ('words' in value) return value.words;
	return (
		<span class="overview-failed muted" title={value.failure.message}>
			{explain(value.failure).title}
		</span>
	);
}
