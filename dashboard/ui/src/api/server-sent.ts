// Server-sent events, as the gateway sends them. Unlike EventSource, this tells of
// comments, of an id that comes without an event, and of what the answer was.

export interface Message {
	event: string;
	/** Empty if there was nothing but an id or a comment. */
	data: string;
	id: string | undefined;
	/** What is said besides, to people. */
	comment: string;
}

export async function* serverSent(answer: Response): AsyncGenerator<Message> {
	if (!answer.body) return;
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	// What has come of a line, in pieces: a state of thousands of locks is one line.
	let pieces: string[] = [];
	let message: Message = { event: '', data: '', id: undefined, comment: '' };
	try {
		for (;;) {
			const { done, value } = await reader.read();
			if (done) return;
			const lines = value.split('\n');
			for (let i = 0; i < lines.length; i++) {
				pieces.push(lines[i] ?? '');
				if (i === lines.length - 1) break;
				const line = pieces.join('');
				pieces = [];
				if (line === '') {
					yield message;
					message = { event: '', data: '', id: undefined, comment: '' };
					continue;
				}
				const colon = line.indexOf(':');
				const field = colon < 0 ? line : line.slice(0, colon);
				const rest = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
				if (field === 'data') message.data += (message.data && '\n') + rest;
				else if (field === 'event') message.event = rest;
				else if (field === 'id') message.id = rest;
				else if (field === '') message.comment = rest;
			}
		}
	} finally {
		void reader.cancel().catch(() => undefined);
	}
}
