// node e2e/run.mjs e2e/FILE.ts ARGUMENTS...: runs a TypeScript file's main(arguments),
// since Node 20 takes no types away by itself.

import { resolve } from 'node:path';
import { runnerImport } from 'vite';

const [file, ...args] = process.argv.slice(2);
const { module } = await runnerImport(resolve(file), { configFile: false, logLevel: 'error' });
await module.main(args);
