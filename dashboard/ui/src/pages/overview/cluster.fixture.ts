// Members for the tests of what is made of them.

import { type Cluster, type Member, merge, type Row, type Status } from '../../live/cluster.ts';

export const status = (some: Partial<Status> = {}): Status => ({
	version: '3.7.3',
	dbSize: 1000,
	dbSizeInUse: 900,
	dbSizeQuota: 100_000,
	raftTerm: 4,
	raftIndex: 100,
	raftAppliedIndex: 100,
	revision: 50,
	leader: 'a1',
	alarms: [],
	errors: [],
	...some,
});

/** The nth member, a0, a1, ...; with null for a status, it does not answer. */
export function member(n: number, some: Partial<Member> = {}): Member {
	const down = some.status === null;
	return {
		id: `a${n}`,
		name: `member${n}`,
		peerURLs: [`http://10.0.0.${n}:2380`],
		clientURLs: [`http://10.0.0.${n}:2379`],
		learner: false,
		asked: true,
		error: down ? 'does not answer' : '',
		status: status(),
		latency: 0.002,
		metrics: null,
		...some,
	};
}

export function cluster(members: Member[], some: Partial<Cluster> = {}): Cluster {
	return { time: 1000, api: 'v3', leader: 'a1', alarms: [], members, ...some };
}

/** The rows of members of which these, in order, answered at some time before. */
export function rows(members: Member[], answered: (number | undefined)[] = []): Row[] {
	return merge([], members, 0).map((row, i) => ({ ...row, answered: row.status ? 0 : answered[i] }));
}
