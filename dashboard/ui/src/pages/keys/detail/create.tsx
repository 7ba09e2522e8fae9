// The dialog that creates a key, as soon as its code is there.

import './detail.css';

import { useEffect } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import type { Space } from '../../../settings.ts';
import { say } from '../../../ui/dialog.tsx';
import { detail } from './lazy.ts';

export interface CreateKeyProps {
	space: Space;
	/** What the key is to begin with. */
	prefix: Bytes;
	onClose: () => void;
}

export function CreateKey(props: CreateKeyProps) {
	useEffect(detail.load, []);
	const code = detail.content.value;
	const failed = code === null;
	useEffect(() => {
		if (!failed) return;
		say('This part of the page could not be loaded', 'bad', 'The gateway may be restarting, or have another version by now. Try again, or reload the page.');
		props.onClose();
	}, [failed]);
	return code ? <code.CreateDialog {...props} /> : null;
}
