// Ends what somebody has, or takes them out of a queue, when the user has said so.

import { Failure } from '../../api/failure.ts';
import { type Entry, release, resign, show } from '../../api/modules.ts';
import type { Queues } from '../../live/queues.ts';
import { confirm, say } from '../../ui/dialog.tsx';
import { election, short, who, type Words } from './words.ts';

/** Asks whether this entry is to go. While that is asked, the entry may go, or get its turn. */
export function askToEnd(words: Words, queues: Queues, key: string, entry: Entry): void {
	const held = entry.state === 'held';
	const name = who(entry.value, entry.index);
	const now = (): Entry | undefined => queues.row(key)?.queue.find((e) => e.index === entry.index);
	void confirm({
		title: held ? `${words.end}: ${short(key)}` : `${words.cancel} ${entry.value === '-' ? 'a place' : short(entry.value, 40)} in ${short(key, 40)}`,
		body: <Meaning words={words} queues={queues} name={key} entry={entry} />,
		action: words.end === 'Release' && !held ? 'Cancel its place' : held ? words.end : words.cancel,
		danger: true,
		run: async () => {
			const there = now();
			if (there && there.state !== entry.state) throw new Failure('conflict', `${name} waited when this was asked, and ${words.holds} now`);
			try {
				if (words === election) await standDown(key, entry);
				else await release(key, entry.index);
			} catch (thrown) {
				if (!(thrown instanceof Failure) || thrown.kind !== 'notFound') throw thrown;
				say(`${name} had gone already`, 'warn', 'Nothing was done, and nobody else was touched.');
				return;
			}
			say(held ? `${name} no longer ${words.holds}` : `${name} no longer waits`);
		},
	});
}

/**
 * The gateway takes a candidate by its name alone, so it is looked at right before
 * whether that is still the same one.
 */
async function standDown(key: string, entry: Entry): Promise<void> {
	const { queue } = await show('leader', key);
	const now = queue.find((e) => e.value === entry.value);
	if (!now) throw new Failure('notFound', 'it has gone');
	if (now.index !== entry.index) throw new Failure('conflict', `${short(entry.value)} has come back under another index, ${now.index}`);
	if (now.state !== entry.state) throw new Failure('conflict', `${short(entry.value)} waited when this was asked, and leads now`);
	await resign(key, entry.value);
}

function Meaning({ words, queues, name, entry }: { words: Words; queues: Queues; name: string; entry: Entry }) {
	void queues.rows.value;
	const row = queues.row(name);
	const now = row?.queue.find((e) => e.index === entry.index);
	const them = who(entry.value, entry.index);
	const next = row?.queue.find((e) => e.state === 'waiting');
	// Beyond those that are shown, it can't be seen whether it is still there.
	if (!now && queues.stream.state.value === 'live' && !row?.more) {
		return <>{them} has gone meanwhile. There is nothing left to do; if you go on, nobody else is touched.</>;
	}
	if (entry.state === 'waiting') {
		if (now?.state === 'held') return <>{them} {words.holds} since a moment ago. To end that, close this and ask again.</>;
		return (
			<>
				{them} leaves the queue, and its request is answered with 410: cancelled. It may ask again, and is the last then. If it gets its turn right when you do this, it {words === election ? 'resigns' : 'is released'}{' '}
				instead, and the next is let in.
				{words === election && byName}
			</>
		);
	}
	return (
		<>
			{them} still believes that it {words === election ? 'leads' : `holds the ${words.one}`} until it asks again.{' '}
			{next ? <>The next in the queue, {next.value === '-' ? `index ${next.index}` : short(next.value)}, gets it at once.</> : <>Nobody waits, so it is free then.</>}
			{words === election && byName}
		</>
	);
}

const byName = ' A candidate goes by its name: right before, the page looks whether it is still the one with this index.';
