import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { code, look, upgraded } from './upgrade.ts';

const fetched = vi.fn<typeof fetch>();
beforeEach(() => {
	vi.stubGlobal('fetch', fetched.mockReset());
	upgraded.value = false;
});
afterEach(() => vi.unstubAllGlobals());

const gone = (): Promise<never> => Promise.reject(new TypeError('Failed to fetch dynamically imported module'));

test('code that is there is all that is asked for', async () => {
	expect(await code(() => Promise.resolve('it'))).toBe('it');
	expect(fetched).not.toHaveBeenCalled();
	expect(upgraded.value).toBe(false);
});

test.each([
	['a gateway that no longer has this file', () => Promise.resolve(new Response(null, { status: 404 })), true, false],
	['a gateway that has it', () => Promise.resolve(new Response(null, { status: 200 })), false, true],
	['one that has no etcd', () => Promise.resolve(new Response(null, { status: 503 })), false, false],
	['none', () => Promise.reject(new TypeError('Failed to fetch')), false, false],
] as const)('when code can not be had, %s', async (_, answer, is, has) => {
	fetched.mockImplementation(answer);
	await expect(code(gone)).rejects.toThrow('imported module');
	expect(fetched.mock.lastCall).toMatchObject([import.meta.url.replace('.test', ''), { method: 'HEAD', cache: 'no-store' }]);
	expect(upgraded.value).toBe(is);
	expect(await look()).toBe(has);
});
