// Is the cluster well? What there is to say about it, the gravest first, in words.

import type { Cluster, Row, Status } from '../../live/cluster.ts';
import { fromText } from '../../api/bytes.ts';
import { count, size } from '../../ui/parts.tsx';
import { label } from '../../ui/text.tsx';

export interface Finding {
	/** Without one, it is only worth knowing. */
	tone: 'bad' | 'warn' | undefined;
	title: string;
	/** What that means, or what to do. */
	advice?: string;
	commands?: string[];
}

export interface Health {
	tone: 'good' | 'warn' | 'bad';
	title: string;
	advice?: string | undefined;
	commands?: string[] | undefined;
	/** What else there is. */
	more: Finding[];
}

// etcd itself refuses requests when a member has 5,000 entries to catch up on.
const muchLag = 1000;
const nearlyFull = 0.8;

export function health(cluster: Cluster, rows: readonly Row[]): Health {
	const all = findings(cluster, rows);
	const first = all[0];
	if (first?.tone) return { tone: first.tone, title: first.title, advice: first.advice, commands: first.commands, more: all.slice(1) };
	return { tone: 'good', title: well(cluster, rows), more: all };
}

function findings(cluster: Cluster, rows: readonly Row[]): Finding[] {
	const answering = rows.filter((r) => r.status);
	if (answering.length === 0) return [nobody(rows)];
	const all = [
		...(cluster.leader === '' ? [noLeader(rows)] : []),
		...alarms(cluster, rows),
		...(cluster.leader === '' ? [] : silent(cluster, rows)),
		...strayed(cluster, answering),
		...troubles(answering),
		...lagging(answering),
		...full(cluster, answering),
		...unstarted(rows),
		...versions(answering),
		...unknown(rows),
	];
	const weight = { bad: 0, warn: 1, undefined: 2 };
	return all.sort((a, b) => weight[`${a.tone}`] - weight[`${b.tone}`]);
}

/** What a member is called. Names may be anything, or nothing. */
export function called(row: Pick<Row, 'id' | 'name' | 'clientURLs' | 'peerURLs'>): string {
	const name = label(fromText(row.name || (row.clientURLs[0] ?? row.peerURLs[0] ?? '').replace(/^https?:\/\//, '') || row.id || 'a member'));
	return name.length > 60 ? name.slice(0, 60) + '…' : name;
}

/** The time of day. */
export function clock(at: number): string {
	return new Date(at).toTimeString().slice(0, 8);
}

/** How many entries of the log a member has still to apply, of those that another one has. */
export function lag(status: Status, rows: readonly Row[]): number {
	const furthest = Math.max(status.raftIndex, ...rows.map((r) => r.status?.raftIndex ?? 0));
	return Math.max(0, furthest - status.raftAppliedIndex);
}

function list(names: readonly string[]): string {
	return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

const names = (rows: readonly Row[]): string => list(rows.map(called));

function well(cluster: Cluster, rows: readonly Row[]): string {
	const answering = rows.filter((r) => r.status);
	const leader = rows.find((r) => r.id === cluster.leader);
	const term = leader?.status?.raftTerm;
	const leads = `leads${term ? ` since term ${term}` : ''}`;
	if (answering.length === 1 && answering[0]?.id === cluster.leader) return `${called(answering[0])} answers, and ${leads}.`;
	const many = answering.length === 1 ? `${names(answering)} answers.` : answering.length === 2 ? 'Both members answer.' : `All ${answering.length} members answer.`;
	const asked = answering.length < rows.length ? many.replace(' members answer', ' members that the gateway asks answer') : many;
	return `${asked} ${leader ? called(leader) : cluster.leader} ${leads}.`;
}

const silentMembers = (rows: readonly Row[]): Row[] => rows.filter((r) => r.asked && !r.status);

/** Why members don't answer, if more is known than that. */
function reasons(rows: readonly Row[]): string {
	const known = rows.filter((r) => r.error && r.error !== 'does not answer');
	if (known.length === 1 && rows.length === 1) return `It ${known[0]?.error}.`;
	return known.map((r) => `${called(r)} ${r.error}.`).join(' ');
}

function nobody(rows: readonly Row[]): Finding {
	const asked = silentMembers(rows);
	if (asked.length > 0 && asked.every((r) => /username|password/.test(r.error))) {
		return {
			tone: 'bad',
			title: 'The gateway may not see how etcd is.',
			advice: `${reasons(asked)} Give the etcd option of its Caddyfile the username and the password of a user of etcd.`,
		};
	}
	const title = asked.length === 1 && asked[0] ? hasNotAnswered(asked, asked[0].answered) : 'No member answers.';
	return { tone: 'bad', title, advice: `${reasons(asked)} Look whether etcd runs, and whether the gateway can reach it.`.trim() };
}

function hasNotAnswered(rows: readonly Row[], since: number | undefined): string {
	const one = rows.length === 1;
	return since === undefined ? `${names(rows)} ${one ? 'does' : 'do'} not answer.` : `${names(rows)} ${one ? 'has' : 'have'} not answered since ${clock(since)}.`;
}

/** How many members vote, and how many of them it takes. */
function quorum(rows: readonly Row[]): { voters: Row[]; needed: number } {
	const voters = rows.filter((r) => r.id !== '' && !r.learner);
	return { voters, needed: Math.floor(voters.length / 2) + 1 };
}

function noLeader(rows: readonly Row[]): Finding {
	const gone = silentMembers(rows);
	const { voters, needed } = quorum(rows);
	const left = voters.filter((r) => r.status).length;
	const title = 'No leader: etcd takes no writes.';
	if (gone.length === 0) return { tone: 'bad', title, advice: 'An election may be under way. If this goes on, the members cannot reach each other.' };
	const enough = left >= needed;
	return {
		tone: 'bad',
		title,
		advice: `${hasNotAnswered(gone, together(gone))} ${left} of ${voters.length} members ${left === 1 ? 'is' : 'are'} left${enough ? ': they should elect a leader in a moment.' : `, and it takes ${needed}. Start ${gone.length === 1 ? 'it' : 'them'} again.`}`,
	};
}

/** Since when none of them has answered, if that is known. */
function together(rows: readonly Row[]): number | undefined {
	return rows.reduce<number | undefined>((latest, r) => (latest === undefined || r.answered === undefined ? undefined : Math.max(latest, r.answered)), 0);
}

function silent(cluster: Cluster, rows: readonly Row[]): Finding[] {
	const gone = silentMembers(rows);
	if (gone.length === 0) return [];
	const { voters, needed } = quorum(rows);
	const spare = voters.every((r) => r.asked) ? voters.filter((r) => r.status).length - needed : undefined;
	const leader = gone.some((r) => r.id === cluster.leader && r.id !== '');
	const advice = [
		reasons(gone),
		leader ? 'It was the leader: the others should elect another one in a moment.' : '',
		gone.every((r) => r.learner)
			? 'It does not vote, so the others go on without it.'
			: spare !== undefined && spare > 0
				? `The others go on; ${spare === 1 ? 'one more' : `${spare} more`} may fail.`
				: spare === 0
					? 'The others go on, but no other member may fail now.'
					: '',
	];
	return [{ tone: 'bad', title: hasNotAnswered(gone, together(gone)), advice: advice.filter(Boolean).join(' ') }];
}

function alarms(cluster: Cluster, rows: readonly Row[]): Finding[] {
	const raised = (alarm: string): string => {
		const ids = cluster.alarms.filter((a) => a.alarm === alarm).map((a) => a.member);
		const known = rows.filter((r) => ids.includes(r.id) || r.status?.alarms.includes(alarm));
		return names(known) || list(ids);
	};
	const found: Finding[] = [];
	const full = raised('NOSPACE');
	if (full) {
		const revision = Math.max(0, ...rows.map((r) => r.status?.revision ?? 0));
		found.push({
			tone: 'bad',
			title: 'etcd is full (NOSPACE): it takes no writes.',
			advice: `${full} raised the alarm. Delete keys that nobody needs, if there are such, and then:`,
			commands: [`etcdctl compact ${revision || 'REVISION'}`, 'etcdctl defrag --cluster', 'etcdctl alarm disarm'],
		});
	}
	const corrupt = raised('CORRUPT');
	if (corrupt) {
		found.push({
			tone: 'bad',
			title: `The data of ${corrupt} differ from the others’ (CORRUPT).`,
			advice: 'Remove that member, and add it again with an empty data directory. Then: etcdctl alarm disarm.',
		});
	}
	return found;
}

/** Members that answer, and have lost the leader that the others have. */
function strayed(cluster: Cluster, answering: readonly Row[]): Finding[] {
	const stray = answering.filter((r) => r.status?.leader === '');
	if (cluster.leader === '' || stray.length === 0) return [];
	return [{ tone: 'bad', title: `${names(stray)} ${stray.length === 1 ? 'knows' : 'know'} of no leader.`, advice: 'The network between it and the others may be down, or it has just been started.' }];
}

function troubles(answering: readonly Row[]): Finding[] {
	return answering
		.filter((r) => r.status && r.status.errors.length > 0 && r.status.leader !== '')
		.map((r) => ({ tone: 'warn', title: `${called(r)} reports a problem.`, advice: r.status?.errors.join('; ') ?? '' }));
}

function lagging(answering: readonly Row[]): Finding[] {
	return answering.flatMap((r) => {
		const behind = r.status && !r.learner ? lag(r.status, answering) : 0;
		return behind > muchLag ? [{ tone: 'warn', title: `${called(r)} is ${count(behind)} entries behind.`, advice: 'It has just been started, or its disk or network is too slow.' }] : [];
	});
}

function full(cluster: Cluster, answering: readonly Row[]): Finding[] {
	if (cluster.alarms.some((a) => a.alarm === 'NOSPACE')) return [];
	return answering.flatMap((r) => {
		const { dbSize = 0, dbSizeQuota = 0 } = r.status ?? {};
		if (dbSizeQuota <= 0 || dbSize < nearlyFull * dbSizeQuota) return [];
		return [
			{
				tone: 'warn',
				title: `The database of ${called(r)} is ${Math.round((100 * dbSize) / dbSizeQuota)} % full.`,
				advice: `It may have ${size(dbSizeQuota)} (--quota-backend-bytes). Beyond that, etcd takes no writes. Compact and defragment it.`,
			},
		];
	});
}

function unstarted(rows: readonly Row[]): Finding[] {
	const waiting = rows.filter((r) => r.id !== '' && r.name === '' && !r.status);
	if (waiting.length === 0) return [];
	return [{ tone: 'warn', title: `${names(waiting)} ${waiting.length === 1 ? 'has' : 'have'} been added to the cluster, but not been started.`, advice: 'Until it is, it counts as a member that does not answer.' }];
}

function versions(answering: readonly Row[]): Finding[] {
	const by = new Map<string, Row[]>();
	for (const r of answering) if (r.status?.version) by.set(r.status.version, [...(by.get(r.status.version) ?? []), r]);
	if (by.size < 2) return [];
	return [{ tone: undefined, title: `The members run different versions: ${[...by].map(([version, of]) => `${version} on ${names(of)}`).join(', ')}.` }];
}

function unknown(rows: readonly Row[]): Finding[] {
	const unasked = rows.filter((r) => !r.asked && r.name !== '');
	if (unasked.length === 0) return [];
	return [{ tone: undefined, title: `Nothing is known of ${names(unasked)}: the gateway has no endpoint for ${unasked.length === 1 ? 'it' : 'them'}.` }];
}
