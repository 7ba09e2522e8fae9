import { describe, expect, test } from 'vitest';
import type { Cluster, Member } from '../../live/cluster.ts';
import { cluster, member, rows, status } from './cluster.fixture.ts';
import { called, clock, health, lag } from './health.ts';

const at = new Date(2026, 10, 28, 12, 31, 5).getTime();
const down = { status: null };
const three = (...some: Partial<Member>[]): Member[] => [0, 1, 2].map((n) => member(n, some[n]));
const noLeader = { leader: '' };
const lost = { status: status({ leader: '' }) };
const full = { alarms: [{ member: 'a2', alarm: 'NOSPACE' }] };
const unasked = { asked: false, status: null, error: '' };

interface Case {
	what: string;
	members: Member[];
	some?: Partial<Cluster>;
	answered?: (number | undefined)[];
	tone: 'good' | 'warn' | 'bad';
	title: string;
	/** In the advice, the commands, and what else there is. */
	says?: string[];
	never?: string[];
}

const cases: Case[] = [
	{ what: 'all is well', members: three(), tone: 'good', title: 'All 3 members answer. member1 leads since term 4.' },
	{ what: 'one member', members: [member(1)], tone: 'good', title: 'member1 answers, and leads since term 4.' },
	{ what: 'two members', members: [member(0), member(1)], tone: 'good', title: 'Both members answer. member1 leads since term 4.' },
	{ what: 'etcd tells no term', members: three({ status: status({ raftTerm: 0 }) }, { status: status({ raftTerm: 0 }) }), tone: 'good', title: 'All 3 members answer. member1 leads.' },
	{ what: 'one is not asked', members: three({}, {}, unasked), tone: 'good', title: 'Both members that the gateway asks answer. member1 leads since term 4.', says: ['Nothing is known of member2: the gateway has no endpoint for it.'] },
	{ what: 'the leader is not asked', members: three({}, unasked), tone: 'good', title: 'Both members that the gateway asks answer. member1 leads.' },
	{ what: 'one of three has stopped', members: three({}, {}, down), answered: [0, 0, at], tone: 'bad', title: 'member2 has not answered since 12:31:05.', says: ['The others go on, but no other member may fail now.'] },
	{ what: 'it had stopped before', members: three({}, {}, down), tone: 'bad', title: 'member2 does not answer.' },
	{ what: 'it is known why', members: three({}, {}, { status: null, error: 'cannot be reached' }), tone: 'bad', title: 'member2 does not answer.', says: ['It cannot be reached. The others go on'] },
	{
		what: 'it is known why of some',
		members: [...three({}, down, { status: null, error: 'cannot be reached' }), member(3), member(4)],
		tone: 'bad',
		title: 'member1 and member2 do not answer.',
		says: ['member2 cannot be reached.'],
		never: ['member1 does not answer.'],
	},
	{ what: 'the leader has stopped', members: three({}, down), answered: [0, at, 0], tone: 'bad', title: 'member1 has not answered since 12:31:05.', says: ['It was the leader'] },
	{
		what: 'one of five has stopped',
		members: [...three({}, {}, down), member(3), member(4)],
		tone: 'bad',
		title: 'member2 does not answer.',
		says: ['one more may fail'],
	},
	{
		what: 'two of five have stopped, one after the other',
		members: [...three(down, {}, down), member(3), member(4)],
		answered: [at, 0, at - 60_000],
		tone: 'bad',
		title: 'member0 and member2 have not answered since 12:31:05.',
		says: ['no other member may fail now'],
	},
	{ what: 'a learner has stopped', members: [...three(), member(3, { learner: true, status: null })], tone: 'bad', title: 'member3 does not answer.', says: ['It does not vote'] },
	{ what: 'one has stopped, and another is not asked', members: three({}, {}, down).map((m, i) => (i === 0 ? { ...m, ...unasked } : m)), tone: 'bad', title: 'member2 does not answer.', never: ['may fail'] },
	{
		what: 'two of three have stopped',
		members: three(lost, down, down),
		some: noLeader,
		answered: [0, at, at],
		tone: 'bad',
		title: 'No leader: etcd takes no writes.',
		says: ['member1 and member2 have not answered since 12:31:05.', '1 of 3 members is left, and it takes 2. Start them again.'],
	},
	{ what: 'the leader is being replaced', members: three(lost, down, lost), some: noLeader, tone: 'bad', title: 'No leader: etcd takes no writes.', says: ['2 of 3 members are left: they should elect a leader'] },
	{ what: 'all answer, and there is no leader', members: three(lost, lost, lost), some: noLeader, tone: 'bad', title: 'No leader: etcd takes no writes.', says: ['An election may be under way'] },
	{ what: 'nobody answers', members: three(down, down, down), some: noLeader, answered: [at, at, at], tone: 'bad', title: 'No member answers.', says: ['Look whether etcd runs'] },
	{ what: 'the only one does not answer', members: [member(1, down)], some: noLeader, answered: [at], tone: 'bad', title: 'member1 has not answered since 12:31:05.' },
	{
		what: 'the gateway has no password',
		members: three(...[0, 1, 2].map(() => ({ status: null, error: 'asks for a user, and the gateway has no username and password for it' }))),
		some: noLeader,
		tone: 'bad',
		title: 'The gateway may not see how etcd is.',
		says: ['asks for a user', 'Caddyfile'],
	},
	{ what: 'one is cut off', members: three({}, {}, lost), tone: 'bad', title: 'member2 knows of no leader.' },
	{ what: 'it is full', members: three(), some: full, tone: 'bad', title: 'etcd is full (NOSPACE): it takes no writes.', says: ['member2 raised the alarm', 'etcdctl compact 50', 'etcdctl defrag --cluster', 'etcdctl alarm disarm'] },
	{ what: 'it is full, and one has stopped', members: three(down), some: full, tone: 'bad', title: 'etcd is full (NOSPACE): it takes no writes.', says: ['member0 does not answer.'] },
	{ what: 'it is corrupt', members: three(), some: { alarms: [{ member: 'a0', alarm: 'CORRUPT' }] }, tone: 'bad', title: 'The data of member0 differ from the others’ (CORRUPT).' },
	{ what: 'it is nearly full', members: three({ status: status({ dbSize: 91_000 }) }), tone: 'warn', title: 'The database of member0 is 91 % full.' },
	{ what: 'one is behind', members: three({}, { status: status({ raftIndex: 9000, raftAppliedIndex: 9000 }) }, { status: status({ raftIndex: 8900, raftAppliedIndex: 8800 }) }), tone: 'warn', title: 'member0 is 8,900 entries behind.' },
	{ what: 'one has errors', members: three({ status: status({ errors: ['disk on fire'] }) }), tone: 'warn', title: 'member0 reports a problem.', says: ['disk on fire'] },
	{ what: 'a new one has not been started', members: [...three(), member(3, { ...unasked, name: '', clientURLs: [] })], tone: 'warn', title: '10.0.0.3:2380 has been added to the cluster, but not been started.' },
	{ what: 'an upgrade is under way', members: three({ status: status({ version: '3.6.5' }) }), tone: 'good', title: 'All 3 members answer. member1 leads since term 4.', says: ['3.6.5 on member0, 3.7.3 on member1 and member2'] },
];

describe('the headline, when', () => {
	test.each(cases)('$what', ({ members, some, answered, tone, title, says = [], never = [] }) => {
		const told = health(cluster(members, some), rows(members, answered));
		expect(told).toMatchObject({ tone, title });
		const rest = [told.advice, ...(told.commands ?? []), ...told.more.flatMap((f) => [f.title, f.advice])].join('\n');
		for (const words of says) expect(rest).toContain(words);
		for (const words of never) expect(rest).not.toContain(words);
	});
});

test('what is grave comes first', () => {
	const members = three({ status: status({ version: '3.6.5', dbSize: 91_000 }) }, {}, down);
	const told = health(cluster(members), rows(members));
	expect([told.tone, ...told.more.map((f) => f.tone)]).toEqual(['bad', 'warn', undefined]);
});

test('how far behind a member is', () => {
	const members = three({ status: status({ raftAppliedIndex: 90 }) }, { status: status({ raftIndex: 120, raftAppliedIndex: 120 }) });
	const all = rows(members);
	expect(all.map((r) => r.status && lag(r.status, all))).toEqual([30, 0, 20]);
	expect(lag(status({ raftIndex: 5, raftAppliedIndex: 7 }), [])).toBe(0);
});

test('what a member is called', () => {
	expect(called(member(1))).toBe('member1');
	expect(called(member(1, { name: '', clientURLs: [] }))).toBe('10.0.0.1:2380');
	expect(called(member(1, { name: '', clientURLs: [], peerURLs: [] }))).toBe('a1');
	expect(called(member(1, { name: 'a\u202eb\n' }))).toBe('aU+202Eb↵');
	expect(called(member(1, { name: 'x'.repeat(100) }))).toHaveLength(61);
});

test('the time of day', () => {
	expect(clock(at)).toBe('12:31:05');
});
