// A key in a panel beside the list, as soon as the panel's code is there.

import './detail.css';

import { useEffect, useRef } from 'preact/hooks';
import type { Bytes } from '../../../api/bytes.ts';
import type { Space } from '../../../settings.ts';
import { Busy, Button, Empty } from '../../../ui/parts.tsx';
import { detail } from './lazy.ts';

export interface KeyDetailProps {
	space: Space;
	/** The whole key. */
	name: Bytes;
	/** The folder that it is shown in. */
	folder: Bytes;
	onClose: () => void;
}

export function KeyDetail(props: KeyDetailProps) {
	useEffect(detail.load, []);
	// Who has gone elsewhere while the code was loaded stays there.
	const gone = useRef(false);
	useEffect(() => {
		const onFocus = (): void => void (gone.current = true);
		document.addEventListener('focusin', onFocus);
		return () => document.removeEventListener('focusin', onFocus);
	}, []);
	const code = detail.content.value;
	// With another key, it is another panel.
	if (code) return <code.KeyPanel key={`${props.space} ${props.name}`} {...props} takesFocus={() => !gone.current} />;
	if (code === undefined) return <Busy />;
	return (
		<Empty title="This part of the page could not be loaded">
			The gateway may be restarting, or have another version by now. <Button onClick={detail.load}>Try again</Button> <Button onClick={() => location.reload()}>Reload the page</Button>
		</Empty>
	);
}
