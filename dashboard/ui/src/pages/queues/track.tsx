// A queue in one line: who holds it in its place, and who waits, in their order. When one
// moves up, that is seen.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { now } from '../../live/clock.ts';
import { duration, secondsLeft } from '../../ui/parts.tsx';
import { Text } from '../../ui/text.tsx';

export interface Place {
	/** What identifies it while it moves. */
	id: string | number;
	/** '-' is none. */
	value: string;
	title: string;
}

export interface TrackProps {
	holder: Place | undefined;
	/** What is said after the holder's value. */
	mark?: string;
	/** When its time is over, and how many seconds it had. */
	deadline?: number | undefined;
	full?: number;
	waiting: readonly Place[];
	/** How many more there are than those. */
	more: number;
	/** Said where nobody holds it. */
	free: string;
	/** How many pixels there are for those who wait; 0: only the first is shown, as far as it fits. */
	room: number;
}

const digit = 7; // pixels, of the data face
const longest = 22; // characters
const forMore = 58; // pixels

export function Track(props: TrackProps) {
	const { holder, mark, deadline, full, waiting, more, free, room } = props;
	const ref = useRef<HTMLDivElement>(null);
	const fit = room === 0 ? 1 : fitting(waiting, more, room);
	useMoves(ref, [holder?.id, waiting, fit]);
	return useMemo(
		() => (
			<div ref={ref} class="queues-track">
				{holder ? (
					<span key={holder.id} data-id={holder.id} class="queues-holder" title={holder.title}>
						<Value value={holder.value} />
						{mark && <span class="mark">{mark}</span>}
						{deadline !== undefined && <Drain deadline={deadline} full={full ?? 0} />}
					</span>
				) : (
					<span key="free" class="queues-free">
						{free}
					</span>
				)}
				{waiting.slice(0, fit).map((p) => (
					<span key={p.id} data-id={p.id} class="queues-waiter" title={p.title}>
						<Value value={p.value} />
					</span>
				))}
				{room > 0 && waiting.length + more > fit && <span class="queues-more">+{waiting.length + more - fit} more</span>}
			</div>
		),
		[holder?.id, holder?.value, holder?.title, mark, deadline, full, waiting, more, free, fit],
	);
}

export function Value({ value }: { value: string }): ComponentChildren {
	return value === '-' ? <span class="queues-none">no value</span> : <Text text={value} max={120} />;
}

/** The seconds left, and a line that drains with them. */
export function Drain({ deadline, full }: { deadline: number; full: number }) {
	const left = Math.max(0, (deadline - now.value) / 1000);
	return (
		<>
			<span class="left">{duration(secondsLeft(deadline))}</span>
			{full > 0 && (
				<i class="queues-drain" aria-hidden="true">
					<b style={{ transform: `scaleX(${Math.min(1, left / full).toFixed(3)})` }} />
				</i>
			)}
		</>
	);
}

/** How many of those who wait there is room for. */
export function fitting(waiting: readonly Place[], more: number, room: number): number {
	let used = 0;
	let fit = 0;
	for (const [i, { value }] of waiting.entries()) {
		used += Math.min(value === '-' ? 8 : value.length, longest) * digit + 27;
		if (used > room) return fit;
		if (used + forMore <= room) fit = i + 1;
	}
	return more === 0 ? waiting.length : fit;
}

const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** Has those who have another place than before move there from where they were. */
function useMoves(ref: { current: HTMLDivElement | null }, changes: readonly unknown[]): void {
	const places = useRef(new Map<string, number>());
	useLayoutEffect(() => {
		const before = places.current;
		const after = new Map<string, number>();
		for (const pill of ref.current?.querySelectorAll<HTMLElement>('[data-id]') ?? []) {
			const id = pill.dataset['id'] ?? '';
			const left = pill.offsetLeft;
			after.set(id, left);
			const was = before.get(id);
			if (was === undefined || was === left || calm.matches) continue;
			pill.animate([{ transform: `translateX(${was - left}px)` }, { transform: 'none' }], { duration: 320, easing: 'cubic-bezier(0.3, 0, 0.2, 1)' });
		}
		places.current = after;
	}, changes);
}
