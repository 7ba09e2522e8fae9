// @vitest-environment happy-dom
import { signal } from '@preact/signals';
import { render } from 'preact';
import { expect, test, vi } from 'vitest';
import type { Bytes } from '../../../../api/bytes.ts';
import type { Edit, Version } from '../edit.ts';
import type { Editing } from '../editing.ts';
import { History } from './history.tsx';
import { type End, type Past, walk } from './walk.ts';

vi.mock('./walk.ts', async (original) => ({ ...(await original<typeof import('./walk.ts')>()), walk: vi.fn() }));

const version = (revision: number): Version => ({ value: 'v' as Bytes, revision, created: 1, version: revision, lease: '0', deadline: undefined, dir: false });
const past = (revision: number): Past => ({ revision, created: 1, version: revision, lease: '0', size: 1, value: 'v' as Bytes });
const edit = (revision: number): Edit => ({ at: revision, stage: { is: 'clean', base: version(revision) } });

test('a version that comes while it is walked back stays', async () => {
	const walks: { from: number; tell(past: Past): void; end(end?: End): void }[] = [];
	vi.mocked(walk).mockImplementation((_, from, __, tell) => new Promise((end) => walks.push({ from, tell, end })));
	const edits = signal(edit(5));
	const editing = { store: { space: 'v3', name: '/key' as Bytes }, edit: edits } as unknown as Editing;
	const root = document.createElement('div');
	document.body.append(root);
	render(<History editing={editing} />, root);
	const shown = (): (string | null)[] => [...root.querySelectorAll('.history-pick')].map((row) => row.textContent);
	const begun = (from: number) => vi.waitFor(() => walks.find((w) => w.from === from) ?? expect.fail(`no walk from ${from}`));

	const back = await begun(5);
	back.tell(past(5));
	await vi.waitFor(() => expect(shown()).toEqual(['5']));
	edits.value = edit(6);
	const later = await begun(6);
	later.tell(past(6));
	later.end();
	await vi.waitFor(() => expect(shown()).toEqual(['6', '5']));
	back.tell(past(4));
	back.tell(past(3));
	back.end('created');
	await vi.waitFor(() => expect(shown()).toEqual(['6', '5', '4', '3']));
	render(null, root);
});
