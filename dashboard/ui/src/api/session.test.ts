import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

const answer = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status });
const refused = (): Response => answer(400, { code: 3, message: 'etcdserver: authentication failed, invalid user ID or password' });
const ended = (): Response => answer(401, { code: 16, message: 'etcdserver: invalid auth token' });
const nobody = (): Response => answer(401, { errorCode: 110, message: 'The request requires user authentication', cause: 'Insufficient credentials', index: 0 });

type Handler = (path: string, request: { authorization: string | null; body: unknown }) => Response | Promise<Response>;
const etcd = vi.fn<Handler>();

/** The modules anew, over one of etcd's APIs. */
async function over(api: 'v2' | 'v3') {
	vi.resetModules();
	vi.doMock('../settings.ts', () => ({ gateway: new URL('http://gateway/etcd/'), settings: { api, readOnly: false, prefix: '' } }));
	const session = await import('./session.ts');
	const { ask } = await import('./http.ts');
	const { watch } = await import('./watch.ts');
	return { ...session, ask, watch };
}

beforeEach(() => {
	etcd.mockReset();
	vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
		const text = typeof init.body === 'string' ? init.body : undefined;
		return etcd(url.pathname, { authorization: new Headers(init.headers).get('Authorization'), body: text === undefined ? undefined : JSON.parse(text) });
	});
});
afterEach(() => vi.unstubAllGlobals());

const asks = (path: string): number => etcd.mock.calls.filter(([p]) => p === path).length;
const login = '/etcd/v3/auth/authenticate';

describe('v3', () => {
	/** An etcd that knows root, and of its tokens the last one. */
	function knowing(state: { tokens: number; valid: boolean; password?: string }): Handler {
		return (path, { authorization, body }) => {
			if (path === login) {
				const { password } = body as { password: string };
				if (password !== (state.password ?? 'secret')) return refused();
				state.valid = true;
				return answer(200, { token: `token ${++state.tokens}` });
			}
			return state.valid && authorization === `token ${state.tokens}` ? answer(200, { ok: true }) : ended();
		};
	}

	test('signs in, and out', async () => {
		const { signIn, signOut, user, authorization, ask } = await over('v3');
		etcd.mockImplementation(knowing({ tokens: 0, valid: false }));
		await signIn('root', 'secret');
		expect(user.value).toBe('root');
		expect(authorization()).toBe('token 1');
		expect(await ask('v3/kv/range')).toEqual({ ok: true });
		signOut();
		expect(user.value).toBeUndefined();
		expect(authorization()).toBeUndefined();
	});

	test('a wrong password signs nobody in', async () => {
		const { signIn, user } = await over('v3');
		etcd.mockImplementation(refused);
		await expect(signIn('root', 'wrong')).rejects.toMatchObject({ kind: 'signIn' });
		expect(user.value).toBeUndefined();
	});

	test('a token that has ended is renewed once, for all who ask', async () => {
		const { signIn, ask, asked } = await over('v3');
		const state = { tokens: 0, valid: false };
		etcd.mockImplementation(knowing(state));
		await signIn('root', 'secret');
		state.valid = false;
		expect(await Promise.all([1, 2, 3].map(() => ask('v3/kv/range')))).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
		expect(asks(login)).toBe(2);
		expect(asked.value).toBe(false);
	});

	test('a password that is no longer right: the user is asked', async () => {
		const { signIn, ask, asked, user } = await over('v3');
		const state = { tokens: 0, valid: false, password: 'secret' };
		etcd.mockImplementation(knowing(state));
		await signIn('root', 'secret');
		Object.assign(state, { valid: false, password: 'another' });
		await expect(ask('v3/kv/range')).rejects.toMatchObject({ kind: 'signIn' });
		expect(user.value).toBeUndefined();
		expect(asked.value).toBe(true);
	});

	test('a gateway that is away meanwhile asks nobody, and the user stays', async () => {
		const { signIn, ask, asked, user } = await over('v3');
		etcd.mockImplementation(knowing({ tokens: 0, valid: false }));
		await signIn('root', 'secret');
		etcd.mockImplementation((path) => (path === login ? Promise.reject(new TypeError('fetch failed')) : ended()));
		await expect(ask('v3/kv/range')).rejects.toMatchObject({ kind: 'unreachable' });
		expect(user.value).toBe('root');
		expect(asked.value).toBe(false);
	});

	test('who signs out while a token is renewed is out', async () => {
		const { signIn, signOut, renew, user, authorization } = await over('v3');
		etcd.mockImplementation(knowing({ tokens: 0, valid: false }));
		await signIn('root', 'secret');
		const renewed = renew();
		signOut();
		expect(await renewed).toBe(false);
		expect(user.value).toBeUndefined();
		expect(authorization()).toBeUndefined();
	});

	test('who does not want to sign in is not asked again by itself', async () => {
		const { ask, asked, decline, signIn } = await over('v3');
		etcd.mockImplementation(ended);
		await expect(ask('v3/kv/range')).rejects.toMatchObject({ kind: 'signIn' });
		expect(asked.value).toBe(true);
		decline();
		await expect(ask('v3/kv/range')).rejects.toMatchObject({ kind: 'signIn' });
		expect(asked.value).toBe(false);
		etcd.mockImplementation(knowing({ tokens: 0, valid: false }));
		await signIn('root', 'secret');
		etcd.mockImplementation(refused);
		await expect(ask('v3/kv/range')).rejects.toMatchObject({ kind: 'signIn' });
		expect(asked.value).toBe(true);
	});

	test('of a token that has ended, a watch tells in its stream', async () => {
		const { signIn, watch } = await over('v3');
		const state = { tokens: 0, valid: false };
		const known = knowing(state);
		etcd.mockImplementation(async (path, request) => {
			const said = await known(path, request);
			if (path === login) return said;
			const result = said.ok ? { created: true } : { watch_id: '-1', created: true, canceled: true, cancel_reason: 'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token' };
			return new Response(JSON.stringify({ result }) + '\n');
		});
		await signIn('root', 'secret');
		state.valid = false;
		const onStart = vi.fn();
		await watch({ key: 'a' as never, from: 1 }, { onStart, onChanges: () => undefined }, new AbortController().signal);
		expect(onStart).toHaveBeenCalledTimes(1);
		expect(asks(login)).toBe(2);
	});
});

describe('v2', () => {
	const known = 'Basic ' + Buffer.from('über:pässwort').toString('base64');

	test('signs in with what each request brings', async () => {
		const { signIn, ask, user } = await over('v2');
		etcd.mockImplementation((_, { authorization }) => (authorization === known ? answer(200, { ok: true }) : nobody()));
		await expect(signIn('über', 'wrong')).rejects.toMatchObject({ kind: 'signIn' });
		expect(user.value).toBeUndefined();
		await signIn('über', 'pässwort');
		expect(await ask('v2/keys/')).toEqual({ ok: true });
	});

	test('who has signed in, and may not do something, is not asked again', async () => {
		const { signIn, ask, asked, user } = await over('v2');
		etcd.mockImplementation((path) => (path === '/etcd/v2/keys/mine' ? answer(200, { ok: true }) : nobody()));
		await signIn('eve', 'x', { unchecked: true });
		await expect(ask('v2/keys/others')).rejects.toMatchObject({ kind: 'forbidden' });
		expect(await ask('v2/keys/mine')).toEqual({ ok: true });
		expect(user.value).toBe('eve');
		expect(asked.value).toBe(false);
	});

	test('who has not is asked', async () => {
		const { ask, asked } = await over('v2');
		etcd.mockImplementation(nobody);
		await expect(ask('v2/keys/')).rejects.toMatchObject({ kind: 'signIn' });
		expect(asked.value).toBe(true);
	});
});
