// @vitest-environment happy-dom
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Bytes, fromText } from './api/bytes.ts';

vi.mock('./settings.ts', () => ({ home: new URL('http://gateway/etcd/mod/dashboard/') }));
window.location.href = 'http://gateway/etcd/mod/dashboard/';

const { go, guardLeaving, href, parameter, parse, place, text } = await import('./router.ts');

const at = (path: string) => {
	const { page, parameters } = parse(new URL(path, 'http://gateway/etcd/mod/dashboard/'));
	return [page, Object.fromEntries(parameters)];
};

test.each([
	['', 'overview', {}],
	['overview', 'overview', {}],
	['stats', 'overview', {}],
	['keys', 'keys', {}],
	['keys/', 'keys', {}],
	['keys/foo', 'keys', { key: 'foo' }],
	['keys//a//b', 'keys', { key: '/a//b' }],
	['keys/%2Fa', 'keys', { key: '/a' }],
	['keys/foo?key=bar', 'keys', { key: 'bar' }],
	['keys/?key=', 'keys', { key: '' }],
	['keys/?key', 'keys', { key: '' }],
	['keys/?key=a=b&&prefix=/x', 'keys', { key: 'a=b', prefix: '/x' }],
	['keys/?key=a+b%2Bc', 'keys', { key: 'a b+c' }],
	['keys/?key=%FF%00', 'keys', { key: '\xff\0' }],
	['keys/?key=100%', 'keys', { key: '100%' }],
	['browser', 'keys', {}],
	['browser/', 'keys', {}],
	['browser/anything', 'keys', {}],
	['locks/a%20lock/with', 'locks', { name: 'a lock/with' }],
	['elections/?name=x', 'elections', { name: 'x' }],
	['leases/7b', 'leases', { id: '7b' }],
	['nothing', 'missing', {}],
	['constructor', 'missing', {}],
	['../', 'overview', {}],
])('the address %j', (path, page, parameters) => {
	expect(at(path)).toEqual([page, parameters]);
});

test('what is made is understood', () => {
	for (const key of ['', '/', '/a//b', 'a b', 'a+b', 'a&b=c', '100%', '#x?', '\xff\0', 'ü', '..', '<img>'].map((k) => k as Bytes)) {
		expect(at(href('keys', { key }))).toEqual(['keys', { key }]);
		expect(at(href('locks', { name: key, other: undefined }))).toEqual(['locks', { name: key }]);
	}
	expect(href('overview')).toBe('http://gateway/etcd/mod/dashboard/');
	expect(href('keys')).toBe('http://gateway/etcd/mod/dashboard/keys/');
});

describe('going', () => {
	afterEach(() => void go(href('overview')));
	const keys = (key: string): string => href('keys', { key: fromText(key) });

	test('changes the place and the address', async () => {
		await go(keys('ä'));
		expect(place.value.page).toBe('keys');
		expect(text('key')).toBe('ä');
		expect(location.search).toBe('?key=%C3%A4');
		expect(parameter('ä')).toBe('\xc3\xa4');
		expect(parameter(undefined)).toBeUndefined();
		expect(text('nothing')).toBeUndefined();
	});

	test('is asked about while there is a guard', async () => {
		await go(keys('a'));
		const ask = vi.fn<(to: { page: string }) => Promise<boolean>>().mockResolvedValue(false);
		const release = guardLeaving(ask);
		await go(href('locks'));
		expect(place.value.page).toBe('keys');
		expect(location.search).toBe('?key=a');
		expect(ask.mock.lastCall?.[0].page).toBe('locks');
		await go(location.href); // stays
		expect(ask).toHaveBeenCalledTimes(1);
		ask.mockResolvedValue(true);
		await go(href('locks'));
		expect(place.value.page).toBe('locks');
		release();
		await go(keys('b'));
		expect(ask).toHaveBeenCalledTimes(2);
		expect(place.value.page).toBe('keys');
	});

	test('a guard that has been replaced does not take its successor along', async () => {
		const first = guardLeaving(() => Promise.resolve(true));
		const release = guardLeaving(() => Promise.resolve(false));
		first();
		await go(href('leases'));
		expect(place.value.page).not.toBe('leases');
		release();
	});
});
