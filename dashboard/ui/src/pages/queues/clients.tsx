import type { Words } from './words.ts';

export function Clients({ words }: { words: Words }) {
	return <p>{words.clients}</p>;
}
