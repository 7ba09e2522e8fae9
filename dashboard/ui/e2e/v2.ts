// A client of etcd's v2 API, which only etcds up to 3.5 have.

export interface V2Node {
	key: string;
	value?: string;
	dir?: boolean;
	ttl?: number;
	nodes?: V2Node[];
	createdIndex: number;
	modifiedIndex: number;
}

export class V2 {
	readonly #endpoint: string;

	constructor(endpoint: string) {
		this.#endpoint = endpoint;
	}

	/** Key by its segments, so that any character may be in them. */
	async #do(method: string, key: string, query: Record<string, string> = {}, form?: Record<string, string>): Promise<Response> {
		const path = key.split('/').map(encodeURIComponent).join('/');
		return fetch(`${this.#endpoint}/v2/keys/${path.replace(/^\//, '')}?${new URLSearchParams(query)}`, {
			method,
			...(form ? { body: new URLSearchParams(form) } : {}),
		});
	}

	async get(key: string, query: Record<string, string> = {}): Promise<V2Node | undefined> {
		const response = await this.#do('GET', key, query);
		if (response.status === 404) return undefined;
		return ((await answer(response)) as { node: V2Node }).node;
	}

	async put(key: string, value: string, ttl?: number): Promise<void> {
		await answer(await this.#do('PUT', key, {}, { value, ...(ttl ? { ttl: String(ttl) } : {}) }));
	}

	async mkdir(key: string, ttl?: number): Promise<void> {
		await answer(await this.#do('PUT', key, {}, { dir: 'true', ...(ttl ? { ttl: String(ttl) } : {}) }));
	}

	async delete(key: string): Promise<void> {
		await answer(await this.#do('DELETE', key, { recursive: 'true' }));
	}

	/** etcd's index of now. */
	async index(): Promise<string> {
		return (await this.#do('GET', '')).headers.get('X-Etcd-Index') ?? '';
	}
}

async function answer(response: Response): Promise<unknown> {
	const text = await response.text();
	if (!response.ok) throw new Error(`${response.status} ${text}`);
	return JSON.parse(text);
}
