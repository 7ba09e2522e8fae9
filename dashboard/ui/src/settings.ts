// What the gateway tells the page about itself, and where the page stands.

/** One of etcd's APIs: each has a key space of its own. */
export type Space = 'v2' | 'v3';

export interface Settings {
	/** The API of etcd that the gateway keeps its locks in. */
	readonly api: Space;
	/** The gateway refuses all writes of the page. */
	readonly readOnly: boolean;
	/** Below this the gateway has its own keys in etcd. */
	readonly prefix: string;
}

const defaults: Settings = { api: 'v3', readOnly: false, prefix: '/_etcd/mod' };

export const settings: Settings = { ...defaults, ...told() };

function told(): Partial<Settings> {
	const content = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="settings"]')?.content;
	return content ? (JSON.parse(content) as Partial<Settings>) : {};
}

// The script is in assets/ (src/ while developing), below the dashboard's own path.
// The gateway may stand below any path that a proxy strips, so nothing here begins
// with a slash.

/** The dashboard's own address. It ends with a slash. */
export const home = new URL(/* @vite-ignore */ '..', import.meta.url);

/** The gateway's address, where etcd's paths begin. It ends with a slash. */
export const gateway = new URL('../..', home);
