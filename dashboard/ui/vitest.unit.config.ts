import { defineConfig } from 'vitest/config';

export default defineConfig({
	oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
	test: { include: ['src/**/*.test.{ts,tsx}', '*.test.ts'], restoreMocks: true, pool: 'threads', testTimeout: 30_000 },
});
