// The licences of what is built in, which ask to be passed on with it: each text once,
// after the names and notices of those that are under it.

import type { Plugin } from 'vite';

export interface Licensed {
	name: string;
	version: string;
	identifier?: string | undefined;
	/** What its licence file says. */
	text?: string | undefined;
}

/** What Vite emits (build.license), and what is made of it. */
export const collected = 'licenses.json';
const written = 'licenses.txt';

export function licenses(): Plugin {
	return {
		name: 'licenses',
		enforce: 'post',
		generateBundle: {
			order: 'post',
			handler(_, bundle) {
				const found = bundle[collected];
				if (found?.type !== 'asset') throw new Error(`there is no ${collected}`);
				delete bundle[collected];
				this.emitFile({ type: 'asset', fileName: written, source: summary(JSON.parse(String(found.source)) as Licensed[]) });
			},
		},
	};
}

const title = /^(The )?MIT License( \(MIT\))?$/i;
const notice = /^Copyright \(c\) /i;

export function summary(packages: Licensed[]): string {
	const texts = new Map<string, { name: string; notices: string[]; text: string; whole: string }[]>();
	for (const { name, version, identifier, text } of packages) {
		if (!text) throw new Error(`${name} ${version} has no licence that could be passed on`);
		const whole = text.trim().replaceAll('\r\n', '\n');
		const lines = whole.split('\n');
		const rest = lines.filter((line) => !notice.test(line) && !title.test(line)).join('\n').trim();
		const same = rest.replace(/\s+/g, ' ');
		const under = { name: `${name} ${version}${identifier ? ` (${identifier})` : ''}`, notices: lines.filter((line) => notice.test(line)), text: rest, whole };
		texts.set(same, [...(texts.get(same) ?? []), under]);
	}
	const parts = [...texts.values()].map((under) => {
		const [first, ...others] = under;
		if (!first) return '';
		if (others.length === 0) return `${first.name}\n\n${first.whole}`; // one that differs stays as it is
		return [...under.map(({ name, notices }) => [name, ...notices].join('\n')), first.text].join('\n\n');
	});
	return ['The dashboard is part of caddy-etcd. These packages are built into it, each under the license that follows it.', ...parts].join(`\n\n${'-'.repeat(80)}\n\n`) + '\n';
}
