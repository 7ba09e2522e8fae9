// How a stream of live data is: that what is shown is true now, or why not.

import { explain } from '../api/failure.ts';
import type { Stream } from '../live/stream.ts';
import { Button, Dot, type Tone } from './parts.tsx';

interface Saying {
	tone?: Tone;
	word: string;
	/** What that means, for those who wonder. */
	meaning: string;
}

function saying(stream: Stream): Saying {
	const failure = stream.failure.value;
	const why = failure && explain(failure);
	switch (stream.state.value) {
		case 'live':
			return { tone: 'good', word: 'live', meaning: 'What changes in etcd is shown here at once' };
		case 'resting':
			return { word: 'paused', meaning: 'It goes on when this page is seen' };
		case 'opening':
			if (!why) return { word: 'connecting', meaning: 'What is in etcd is on its way' };
			return { tone: 'bad', word: 'not connected', meaning: `${why.advice} (${failure.message})` };
		case 'broken':
			return {
				tone: 'warn',
				word: 'reconnecting',
				meaning: why ? `${why.advice} What is shown is from before. (${failure?.message})` : 'The stream has ended, and is opened again. What is shown is from before.',
			};
	}
}

export function Live({ stream }: { stream: Stream }) {
	const { tone, word, meaning } = saying(stream);
	const failure = stream.failure.value;
	const state = stream.state.value;
	const down = state === 'broken' || (state === 'opening' && failure !== undefined);
	return (
		<span class="live-state">
			<span role="status" class={`said ${tone ?? ''}`} title={meaning}>
				<Dot {...(tone && { tone })} />
				{word}
				{down && failure && <span class="why">: {explain(failure).title}</span>}
			</span>
			{down && (
				<Button small kind="plain" onClick={stream.retry}>
					Try now
				</Button>
			)}
		</span>
	);
}
