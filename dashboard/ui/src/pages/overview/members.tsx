// The members, a row each. A column that no member has anything for is left out.

import type { ComponentChildren } from 'preact';
import { type Row, type Status, type View } from '../../live/cluster.ts';
import { settings } from '../../settings.ts';
import { count, Dot, Panel, Pill, size } from '../../ui/parts.tsx';
import { Text } from '../../ui/text.tsx';
import { called, clock, lag } from './health.ts';
import { Swatch } from './series.tsx';

interface Column {
	head: string;
	title?: string;
	number?: boolean;
	cell(row: Row, status: Status, view: View): ComponentChildren;
	/** Whether there is anything to show. */
	has(status: Status): boolean;
}

const columns: readonly Column[] = [
	{ head: 'Version', cell: (_, s) => <Text text={s.version} />, has: (s) => s.version !== '' },
	{
		head: 'Latency',
		title: 'How long it took to tell its status to the gateway',
		number: true,
		cell: (row) => (row.status ? `${milliseconds(row.latency)} ms` : '–'),
		has: () => true,
	},
	{ head: 'Database', title: 'In use, of what the file takes', cell: (_, s) => <Database status={s} />, has: (s) => s.dbSize > 0 },
	{ head: 'Raft term', number: true, cell: (_, s) => count(s.raftTerm), has: (s) => s.raftTerm > 0 },
	{ head: 'Raft index', number: true, cell: (_, s) => count(s.raftIndex), has: (s) => s.raftIndex > 0 },
	{
		head: 'Behind',
		title: 'Entries of the log that the member has still to apply',
		number: true,
		cell: (row, s, v) => (row.status ? count(lag(s, v.rows)) : '–'),
		has: (s) => s.raftAppliedIndex > 0,
	},
	{ head: settings.api === 'v2' ? 'Index' : 'Revision', number: true, cell: (_, s) => count(s.revision), has: (s) => s.revision > 0 },
];

export function Members({ view }: { view: View }) {
	const { rows } = view;
	const told = rows.flatMap((r) => r.last ?? []);
	const shown = columns.filter((c) => told.some(c.has));
	// The roles are said, since a table that is laid out as blocks loses its own.
	return (
		<Panel title="Members" bare class="overview-members">
			<div class="scroll-x">
				<table class="table" role="table" aria-label="Members">
					<thead role="rowgroup">
						<tr role="row">
							<th role="columnheader" scope="col">
								Name
							</th>
							<th role="columnheader" scope="col">
								State
							</th>
							{shown.map((c) => (
								<th key={c.head} role="columnheader" scope="col" class={c.number ? 'number' : ''} title={c.title}>
									{c.head}
								</th>
							))}
						</tr>
					</thead>
					<tbody role="rowgroup">
						{rows.map((row) => (
							<Line key={row.key} row={row} view={view} shown={shown} />
						))}
					</tbody>
				</table>
			</div>
		</Panel>
	);
}

function Line({ row, view, shown }: { row: Row; view: View; shown: readonly Column[] }) {
	const down = row.asked && !row.status;
	const leads = row.id !== '' && row.id === view.cluster.leader;
	const about = [row.id && `ID ${row.id}`, ...row.clientURLs, ...row.peerURLs.map((url) => `peers: ${url}`)].filter(Boolean).join('\n');
	return (
		<tr role="row" class={down ? 'down' : row.status ? '' : 'unasked'} data-member={row.name}>
			<th role="rowheader" scope="row" title={about}>
				<span class="overview-name">
					<Dot {...(down ? { tone: 'bad' as const } : row.status ? { tone: 'good' as const } : {})} />
					<span class="cut data">
						<Text text={called(row)} />
					</span>
					{leads && <Pill tone="good">leader</Pill>}
					{row.learner && <Pill tone="wait">learner</Pill>}
					<Swatch of={row.key} />
				</span>
			</th>
			<td role="cell" class="overview-state">
				<State row={row} view={view} />
			</td>
			{shown.map((c) => (
				<td key={c.head} role="cell" class={`data ${c.number ? 'number' : ''}`} data-head={c.head}>
					{row.last && c.has(row.last) ? c.cell(row, row.last, view) : '–'}
				</td>
			))}
		</tr>
	);
}

const alarmWords: Record<string, string> = { NOSPACE: 'its database is full (NOSPACE)', CORRUPT: 'its data are corrupt (CORRUPT)' };

function State({ row, view }: { row: Row; view: View }) {
	if (!row.asked) return <>{row.name === '' ? 'not started yet' : 'not asked: the gateway has no endpoint for it'}</>;
	if (!row.status) {
		return (
			<span title={row.error}>
				<strong>{row.error || 'does not answer'}</strong>
				{row.answered !== undefined && <>, since {clock(row.answered)}</>}
			</span>
		);
	}
	const own = new Set([...row.status.alarms, ...view.cluster.alarms.filter((a) => a.member === row.id).map((a) => a.alarm)]);
	const bad = [...own].map((alarm) => alarmWords[alarm] ?? alarm);
	if (row.status.leader === '') bad.push('knows of no leader');
	if (bad.length > 0) return <strong class="overview-bad">{bad.join(', ')}</strong>;
	if (row.status.errors.length > 0) return <strong class="overview-warn">{row.status.errors.join(', ')}</strong>;
	return <>{row.learner ? 'answers, is catching up and does not vote' : 'answers'}</>;
}

// Less than half in use, of what is worth it.
const worthIt = 100 * 1024 * 1024;

function Database({ status: { dbSize, dbSizeInUse, dbSizeQuota } }: { status: Status }) {
	const used = dbSize > 0 ? Math.min(1, dbSizeInUse / dbSize) : 0;
	const loose = dbSize > worthIt && used < 0.5;
	const quota = dbSizeQuota > 0 ? `, and may take ${size(dbSizeQuota)}` : '';
	return (
		<span class="overview-db" title={`${size(dbSizeInUse)} are in use; the file takes ${size(dbSize)}${quota}${loose ? '. To make it smaller: etcdctl defrag' : ''}`}>
			<span>
				{size(dbSizeInUse)} <span class="overview-of">of {size(dbSize)}</span>
			</span>
			<i>
				<b style={{ transform: `scaleX(${used.toFixed(3)})` }} />
			</i>
			{loose && <Pill tone="warn">defragment</Pill>}
		</span>
	);
}

export function milliseconds(seconds: number): string {
	const ms = seconds * 1000;
	return ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en');
}
