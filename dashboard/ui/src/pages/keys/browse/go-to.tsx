// A field for the name of a key or a folder: Enter opens it, whatever its bytes.

import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import { asFailure, explain, type Failure } from '../../../api/failure.ts';
import { normal } from '../../../api/v2.ts';
import { go } from '../../../router.ts';
import { settings, type Space } from '../../../settings.ts';
import { Button, count } from '../../../ui/parts.tsx';
import { Data } from '../../../ui/text.tsx';
import { folderOf, hexadecimal, meant } from './names.ts';
import { type Found, spaces } from './spaces.ts';
import { to } from './where.ts';

interface Said {
	name: Bytes;
	found?: Found;
	failure?: Failure;
}

export function GoTo({ space, prefix, field, onCreate }: { space: Space; prefix: Bytes; field: RefObject<HTMLInputElement | null>; onCreate(name: Bytes): void }) {
	const [said, setSaid] = useState<Said>();
	const [asking, setAsking] = useState<AbortController>();
	useEffect(() => () => asking?.abort(), [asking]);
	useEffect(() => setSaid(undefined), [prefix]);

	const open = async (typed: string): Promise<void> => {
		if (typed === '') return;
		const own = new AbortController();
		setAsking(own);
		setSaid(undefined);
		// What is not there is to be made under the name as it was typed.
		const wished = hexadecimal(typed) ?? meant(typed, prefix)[0];
		let first: Found | undefined;
		for (const name of meant(typed, prefix)) {
			try {
				const found = await spaces[space].look(name, own.signal);
				if (own.signal.aborted) return;
				first ??= found;
				const key = found.key && !(name.endsWith('/') && found.folder);
				if (!key && !found.folder) continue;
				const folder = (name.endsWith('/') ? name : name + '/') as Bytes;
				const exact = space === 'v2' ? normal(name) : name;
				await go(to(key ? { space, prefix: folderOf(exact), key: exact } : { space, prefix: folder }));
				if (field.current) field.current.value = '';
				return;
			} catch (thrown) {
				if (!own.signal.aborted) setSaid({ name, failure: asFailure(thrown) });
				return;
			}
		}
		if (wished !== undefined) setSaid({ name: wished, ...(first && { found: first }) });
	};
	return (
		<form
			class="keys-go"
			role="search"
			aria-label="Go to a key"
			onSubmit={(event) => {
				event.preventDefault();
				void open(field.current?.value ?? '');
			}}
			onKeyDown={(event) => {
				if (event.key === 'Escape') setSaid(undefined);
			}}
		>
			<input
				ref={field}
				class="input data"
				aria-label="Go to a key or folder"
				placeholder="Go to key…"
				title="A key or a folder, as a whole or below this folder; 0x and hexadecimal digits for bytes. Shortcut: /"
				autocomplete="off"
				autocapitalize="off"
				spellcheck={false}
				onInput={() => setSaid(undefined)}
			/>
			{said && (
				<div class="keys-said" role="status">
					{said.failure ? (
						<p>
							{explain(said.failure).title}. <span class="muted">{said.failure.message}</span>
						</p>
					) : (
						<>
							<p class="keys-what">
								There is no key <Data bytes={said.name} max={60} />
							</p>
							<div class="keys-do">
								{said.found && said.found.beginning > 0 && (
									<a class="button small" href={to({ space, prefix: said.name })}>
										Show the {count(said.found.beginning)} that begin with it
									</a>
								)}
								{!settings.readOnly && (
									<Button
										small
										onClick={() => {
											setSaid(undefined);
											onCreate(said.name);
										}}
									>
										Create it
									</Button>
								)}
							</div>
						</>
					)}
				</div>
			)}
		</form>
	);
}
