// Every lock, live.

import { Board } from '../queues/board.tsx';
import { lock } from '../queues/words.ts';

export function Locks() {
	return <Board words={lock} />;
}
