// What has happened while the page looked, as a timeline; and since when somebody has it.

import type { ComponentChildren } from 'preact';
import { now } from '../../live/clock.ts';
import type { Happening, Queues, Since } from '../../live/queues.ts';
import { href, parameter } from '../../router.ts';
import { duration } from '../../ui/parts.tsx';
import { Text } from '../../ui/text.tsx';
import { Value } from './track.tsx';
import { election, type Words } from './words.ts';

/** How long somebody has held it. */
export function SinceWhen({ since }: { since: Since | undefined }) {
	if (!since) return null;
	const held = duration(Math.max(0, Math.floor((now.value - since.at) / 1000)));
	return since.exact ? (
		<time dateTime={new Date(since.at).toISOString()} title={`since ${new Date(since.at).toLocaleString()}`}>
			{held}
		</time>
	) : (
		<span title={`This page has known of it since ${new Date(since.at).toLocaleTimeString()}. It may have begun long before.`}>
			<span aria-hidden="true">≥ </span>
			<span class="unseen">at least </span>
			{held}
		</span>
	);
}

const verbs: Record<Happening['name'], { lock: string; leader: string; tone: string }> = {
	acquired: { lock: 'has it', leader: 'leads', tone: 'good' },
	released: { lock: 'released', leader: 'resigned', tone: '' },
	expired: { lock: 'expired', leader: 'expired', tone: 'warn' },
	queued: { lock: 'queued', leader: 'stood', tone: 'wait' },
	left: { lock: 'left', leader: 'left', tone: '' },
	gone: { lock: 'lost it', leader: 'lost it', tone: 'warn' },
};

const meanings: Record<Happening['name'], string> = {
	acquired: 'It holds from then on',
	released: 'It held, and has given it back, or somebody has deleted it',
	expired: 'It held, and its time ran out without a renewal',
	queued: 'It came to wait',
	left: 'It went without having held',
	gone: 'It held, and how that ended was not told to this page',
};

/** What happened to one. */
export function History({ words, queues, name }: { words: Words; queues: Queues; name: string }) {
	void queues.happened.value;
	return <Timeline words={words} queues={queues} happenings={queues.happenings(name)} />;
}

/** What happened last, to any. */
export function Latest({ words, queues }: { words: Words; queues: Queues }) {
	void queues.happened.value;
	const all = queues.happenings().filter((h) => h.name !== 'queued' && h.name !== 'left');
	return (
		<section class="panel queues-latest" aria-label="Last changes">
			<header>
				<h2>Last changes</h2>
			</header>
			<Timeline words={words} queues={queues} happenings={all.slice(0, 30)} named />
		</section>
	);
}

function Timeline({ words, queues, happenings, named }: { words: Words; queues: Queues; happenings: readonly Happening[]; named?: boolean }) {
	return (
		<div class="queues-history" tabIndex={0} role="region" aria-label="Changes, the last one first">
			<ol>
				{happenings.map((h) => (
					<Item key={`${h.key} ${h.index} ${h.name}`} happening={h} words={words}>
						{named && (
							<a class="cut" href={href(words.page, { name: parameter(h.key) })} title={h.key}>
								<Text text={h.key} max={200} />
							</a>
						)}
					</Item>
				))}
			</ol>
			<p class="queues-began">
				{happenings.length === 0 ? 'Nothing has happened' : 'What this page has seen'} since {clock(queues.began.value)}
				{words === election ? '. What happened before is not kept.' : '.'}
			</p>
		</div>
	);
}

function Item({ happening: { name, at, from, value, index, id }, words, children }: { happening: Happening; words: Words; children: ComponentChildren }) {
	const verb = verbs[name];
	const when = from === undefined ? new Date(at).toLocaleString() : `Some time between ${clock(from)} and ${clock(at)}, while this page was not listening`;
	return (
		<li>
			<time dateTime={new Date(at).toISOString()} title={when}>
				{from !== undefined && <span aria-label="before">≤ </span>}
				{clock(at)}
			</time>
			<span class={`queues-verb ${verb.tone}`} title={`${meanings[name]} (revision ${id})`}>
				{verb[words.module]}
			</span>
			<span class="cut" title={`${value}, index ${index}`}>
				<Value value={value} />
			</span>
			{children}
			<span class="queues-index">{index}</span>
		</li>
	);
}

/** The time of day. */
function clock(at: number): string {
	return new Date(at).toLocaleTimeString([], { hour12: false });
}
