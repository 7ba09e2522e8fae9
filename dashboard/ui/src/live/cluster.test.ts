import { expect, test } from 'vitest';
import { member, status } from '../pages/overview/cluster.fixture.ts';
import { merge } from './cluster.ts';

test('what a member said last is kept while it does not answer', () => {
	const first = merge([], [member(0), member(1, { status: null })], 1000);
	expect(first).toMatchObject([
		{ key: 'a0', answered: 1000, last: status() },
		{ key: 'a1', answered: undefined, last: undefined },
	]);
	const next = merge(first, [member(0, { status: null }), member(1)], 3000);
	expect(next).toMatchObject([
		{ key: 'a0', answered: 1000, last: status(), status: null },
		{ key: 'a1', answered: 3000 },
	]);
	expect(merge(next, [member(0)], 5000)).toMatchObject([{ key: 'a0', answered: 5000 }]);
});

test('an endpoint that is not known to be a member has a key as well', () => {
	const unknown = { id: '', name: '', clientURLs: ['10.0.0.9:2379'], peerURLs: [], status: null };
	expect(merge([], [member(0, unknown)], 1)[0]?.key).toBe('10.0.0.9:2379');
	expect(merge([], [member(0, { ...unknown, clientURLs: [], peerURLs: ['http://p:2380'] })], 1)[0]?.key).toBe('http://p:2380');
});
