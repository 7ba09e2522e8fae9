// What a search has found, as it is found.

import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Bytes, toText } from '../../../api/bytes.ts';
import { isGateways } from '../../../api/own.ts';
import { go } from '../../../router.ts';
import { Button, count, Empty, Problem, size } from '../../../ui/parts.tsx';
import { Rows } from '../../../ui/rows.tsx';
import { Data, label, Text } from '../../../ui/text.tsx';
import { folderLabel, nameIn } from '../browse/names.ts';
import { to, type Where } from '../browse/where.ts';
import type { Match } from './match.ts';
import { type Hit, type Progress, Search } from './search.ts';

export function SearchResults({ at, search: sought }: { at: Where; search: Bytes }) {
	const { space, prefix } = at;
	const search = useMemo(() => new Search(space, prefix, sought), [space, prefix, sought]);
	useEffect(() => {
		void search.run();
		return () => search.stop();
	}, [search]);
	const hits = search.hits.value;
	const progress = search.progress.value;
	const [active, setActive] = useState(-1);
	const open = (row: number): void => {
		const hit = hits[row];
		if (hit) void go(to({ ...at, key: hit.key }));
	};
	return (
		<>
			<div class="keys-found">
				<span role="status">{words(progress, hits.length)}</span>
				{progress.state === 'running' ? (
					<Button small onClick={() => search.stop()}>
						Stop
					</Button>
				) : (
					progress.state !== 'done' && (
						<Button small onClick={() => void search.run()}>
							Continue
						</Button>
					)
				)}
				<a class="button small plain" href={to({ ...at, search: undefined })}>
					Close the search
				</a>
			</div>
			{progress.failure && progress.state === 'failed' && <Problem failure={progress.failure} />}
			{hits.length === 0 ? (
				progress.state === 'done' && (
					<Empty title={`Nothing has "${(toText(sought) ?? label(sought)).slice(0, 80)}" in it`}>
						Neither a key nor a value below {folderLabel(prefix).slice(0, 200)}
						{progress.skipped > 0 && `, but ${count(progress.skipped)} that are too large to be searched`}. To search for bytes, write 0x and hexadecimal digits.
					</Empty>
				)
			) : (
				<Rows
					count={hits.length}
					height={44}
					label="What has been found"
					active={active}
					onActive={setActive}
					onOpen={open}
					rowKey={(row) => hits[row]?.key ?? ''}
					rowClass={(row) => {
						const hit = hits[row];
						return `keys-hit ${hit && hit.key === at.key ? 'opened' : ''} ${hit && isGateways(space, hit.key) ? 'gateways' : ''}`;
					}}
					render={(row) => {
						const hit = hits[row];
						return hit && <Found hit={hit} at={at} />;
					}}
				/>
			)}
		</>
	);
}

function Found({ hit, at }: { hit: Hit; at: Where }) {
	return (
		<>
			<span role="gridcell" class="cut keys-name">
				<a
					href={to({ ...at, key: hit.key })}
					tabIndex={-1}
					title={label(hit.key.slice(0, 2000) as Bytes)}
					onClick={(event) => {
						if (event.metaKey || event.ctrlKey || event.shiftKey) event.stopPropagation();
						else event.preventDefault();
					}}
				>
					{hit.inKey && toText(hit.key) !== undefined ? <Marked match={hit.inKey} /> : <Data bytes={nameIn(at.prefix, hit.key)} max={200} />}
				</a>
			</span>
			<span role="gridcell" class="cut keys-value">
				{hit.inValue ? <Marked match={hit.inValue} /> : <span class="muted">{hit.size < 0 ? 'in the key; its value is too large to be searched' : `in the key; its value has ${size(hit.size)}`}</span>}
			</span>
		</>
	);
}

function Marked({ match: { before, found, after } }: { match: Match }) {
	return (
		<>
			{before && <Text text={before} />}
			<mark>
				<Text text={found} />
			</mark>
			{after && <Text text={after} />}
		</>
	);
}

function words({ state, looked, total, skipped }: Progress, found: number): string {
	const seen = total === undefined ? `${count(looked)} keys` : `${count(looked)} of ${count(Math.max(total, looked))} keys`;
	const what = `${count(found)} found in ${seen}`;
	const large = skipped > 0 ? ` (${count(skipped)} with values too large to be searched)` : '';
	switch (state) {
		case 'running':
			return `Searching: ${what}${large}`;
		case 'stopped':
			return `Stopped: ${what}${large}`;
		case 'full':
			return `${what}${large}; there may be more`;
		default:
			return what + large;
	}
}
