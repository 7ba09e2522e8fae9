// Every election, live.

import { Board } from '../queues/board.tsx';
import { election } from '../queues/words.ts';

export function Elections() {
	return <Board words={election} />;
}
