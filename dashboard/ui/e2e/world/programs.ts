// Where the programs are that the tests run. `make test-tools` puts them there.

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = resolve(fileURLToPath(import.meta.url), '../../../../..');
const tool = (name: string): string => join(checkout, '.tools', name);

export const programs = {
	chromium: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
	caddy: resolve(process.env['CADDY'] ?? tool('caddy')),
	etcd: { '3.7': tool('etcd-3.7'), '3.5': tool('etcd-3.5') },
};

export type EtcdVersion = keyof typeof programs.etcd;
