import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// What takes longest begins first, so that nothing is left for one worker at the end.
const longest = ['keys-browse', 'shots', 'overview', 'locks', 'shell', 'keys-edit', 'keys-save', 'markup'];

class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const rank = ({ moduleId }: TestSpecification): number => {
			const at = longest.indexOf(basename(moduleId, '.test.ts'));
			return at < 0 ? longest.length : at;
		};
		return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
	}
}

// Tests of the page in Chromium, against real gateways and etcds.
export default defineConfig({
	test: {
		include: ['e2e/**/*.test.ts'],
		globalSetup: './e2e/setup.ts',
		// A process for each file: the kernel kills what it has started when it ends.
		pool: 'forks',
		maxWorkers: 2,
		sequence: { sequencer: LongestFirst },
		testTimeout: 60_000,
		hookTimeout: 90_000,
		expect: { poll: { timeout: 10_000, interval: 50 } },
		retry: 0,
		reporters: [['default', { summary: false }]],
	},
});
