// @vitest-environment happy-dom
import { expect, test, vi } from 'vitest';

// The gateway answers also at //evil/mod/dashboard/, if it strips /evil.
vi.mock('./settings.ts', () => ({ home: new URL('http://gateway//evil/mod/dashboard/') }));
window.location.href = 'http://gateway//evil/mod/dashboard/';

const { go, href, place } = await import('./router.ts');

test('no address of the page leads to another host, whatever stands before it', async () => {
	for (const page of ['overview', 'keys', 'missing'] as const) expect(new URL(href(page), location.href).host).toBe('gateway');
	await go(href('locks'));
	expect(location.href).toBe('http://gateway//evil/mod/dashboard/locks/');
	expect(place.value.page).toBe('locks');
});
