// Each member has a line of its own in the charts: a colour and a pattern, so that they
// can be told apart by those who don't see colours as others do.

import { signal } from '@preact/signals';
import { view } from '../../live/cluster.ts';

const patterns: readonly (readonly number[])[] = [[], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4], [1, 3]];

/** Tokens of the colours, in overview.css. */
const tokens = patterns.map((_, i) => `--overview-${i}`);

const slots = new Map<string, number>();

/** The number of a member's line. It stays the same as long as the page is open. */
export function slot(key: string): number {
	const known = slots.get(key);
	if (known !== undefined) return known;
	// Those that have left the cluster give theirs back.
	const there = new Set(view.peek()?.rows.map((r) => r.key));
	const taken = new Set([...slots].filter(([other]) => there.has(other)).map(([, n]) => n));
	let free = 0;
	while (taken.has(free)) free++;
	slots.set(key, free);
	return free;
}

export const pattern = (n: number): number[] => [...(patterns[n % patterns.length] ?? [])];

/** The colours of the charts in the scheme that the system asks for. */
export interface Palette {
	lines: readonly string[];
	grid: string;
	text: string;
	cursor: string;
}

function read(): Palette {
	const style = getComputedStyle(document.documentElement);
	const token = (name: string): string => style.getPropertyValue(name).trim();
	return { lines: tokens.map(token), grid: token('--line'), text: token('--muted'), cursor: token('--faint') };
}

/** Told again when the scheme changes. */
export const palette = signal<Palette>({ lines: [], grid: '', text: '', cursor: '' }, {
	watched() {
		palette.value = read();
		scheme.addEventListener('change', again);
	},
	unwatched() {
		scheme.removeEventListener('change', again);
	},
});

const scheme = matchMedia('(prefers-color-scheme: dark)');
const again = (): void => {
	palette.value = read();
};

export const color = (from: Palette, n: number): string => from.lines[n % from.lines.length] ?? '';

/** The piece of a member's line that stands beside its name. */
export function Swatch({ of }: { of: string }) {
	const n = slot(of);
	return (
		<svg class="overview-swatch" viewBox="0 0 18 4" aria-hidden="true">
			<path d="M0 2h18" fill="none" stroke={`var(${tokens[n % tokens.length]})`} stroke-width="2.5" stroke-dasharray={pattern(n).join(' ') || undefined} />
		</svg>
	);
}
