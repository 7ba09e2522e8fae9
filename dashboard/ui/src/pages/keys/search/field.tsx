// The field for what is searched for below the folder.

import { useEffect, useRef } from 'preact/hooks';
import { fromText, toText } from '../../../api/bytes.ts';
import { go } from '../../../router.ts';
import { folderLabel } from '../browse/names.ts';
import { to, type Where } from '../browse/where.ts';

export function SearchField({ at }: { at: Where }) {
	const field = useRef<HTMLInputElement>(null);
	const searched = at.search === undefined ? '' : (toText(at.search) ?? '');
	useEffect(() => {
		if (field.current) field.current.value = searched;
	}, [searched]);
	return (
		<form
			class="keys-search"
			role="search"
			aria-label="Search in keys and values"
			onSubmit={(event) => {
				event.preventDefault();
				const text = field.current?.value ?? '';
				void go(to({ ...at, search: text === '' ? undefined : fromText(text) }));
			}}
		>
			<input
				ref={field}
				class="input"
				type="search"
				aria-label={`Search in keys and values below ${folderLabel(at.prefix)}`}
				placeholder="Search below this folder…"
				title="Text in keys and values, in capitals or not; 0x and hexadecimal digits for bytes. Enter searches."
				spellcheck={false}
				onInput={(event) => {
					// The browser's own way of emptying the field.
					if (event.currentTarget.value === '' && at.search !== undefined) void go(to({ ...at, search: undefined }));
				}}
			/>
		</form>
	);
}
