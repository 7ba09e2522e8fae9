import { defineConfig } from 'vitest/config';

// Tests of the page in Chromium, against real gateways and etcds.
export default defineConfig({
	test: {
		include: ['e2e/**/*.test.ts'],
		globalSetup: './e2e/setup.ts',
		// A process for each file: the kernel kills what it has started when it ends.
		pool: 'forks',
		maxWorkers: 2,
		testTimeout: 60_000,
		hookTimeout: 90_000,
		expect: { poll: { timeout: 10_000, interval: 50 } },
		retry: 0,
		reporters: [['default', { summary: false }]],
	},
});
