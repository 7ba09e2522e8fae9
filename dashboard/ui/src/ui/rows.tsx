// A long table of which only the rows that are seen are in the page.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface RowsProps {
	count: number;
	/** Of each row, in pixels. */
	height: number;
	/** What the table is, for those who don't see it. */
	label: string;
	/** The row that the keyboard is on; -1 for none. */
	active: number;
	/** The active row is to be seen when the table appears. */
	reveal?: boolean;
	onActive(row: number): void;
	/** Enter, or a click. */
	onOpen(row: number): void;
	/** The rows that are seen, each time they change: from the first up to before the last. */
	onSeen?(first: number, last: number): void;
	/** Other keys, on the active row. True if it was one of the caller's. */
	onKey?(event: KeyboardEvent, row: number): boolean;
	/** The cells of a row: elements with role gridcell. */
	render(row: number): ComponentChildren;
	/** A row's own class. */
	rowClass?(row: number): string;
	/** What identifies a row, so that it keeps its element when others come before it. */
	rowKey?(row: number): string;
}

const beyond = 8; // rows kept above and below those seen

/** Moves with the arrow keys, Page Up and Down, Home and End. */
export function Rows({ count, height, label, active, reveal, onActive, onOpen, onSeen, onKey, render, rowClass, rowKey }: RowsProps) {
	const ref = useRef<HTMLDivElement>(null);
	const id = useId();
	const [[first, last], setSeen] = useState<[number, number]>([0, 40]);

	const look = (): void => {
		const box = ref.current;
		if (!box) return;
		const from = Math.max(0, Math.floor(box.scrollTop / height) - beyond);
		const to = Math.ceil((box.scrollTop + box.clientHeight) / height) + beyond;
		setSeen((old) => (old[0] === from && old[1] === to ? old : [from, to]));
	};

	useLayoutEffect(() => {
		const box = ref.current;
		if (!box) return;
		look();
		const watcher = new ResizeObserver(look);
		watcher.observe(box);
		return () => watcher.disconnect();
	}, [height]);
	useLayoutEffect(look, [count]);
	useLayoutEffect(() => {
		const box = ref.current;
		if (!box || !reveal || active < 0 || (active + 1) * height <= box.clientHeight) return;
		box.scrollTop = (active + 0.5) * height - box.clientHeight / 2;
		look();
	}, []);

	// Who was in a row that has gone is still in the table.
	const focused = useRef<Element | undefined>(undefined);
	useLayoutEffect(() => {
		if (!focused.current || focused.current.isConnected) return;
		focused.current = undefined;
		if (document.activeElement === document.body) ref.current?.focus({ preventScroll: true });
	});
	useEffect(() => onSeen?.(first, Math.min(last, count)), [first, last, count]);

	const move = (to: number): void => {
		const row = Math.max(0, Math.min(count - 1, to));
		onActive(row);
		const box = ref.current;
		if (!box) return;
		if (row * height < box.scrollTop) box.scrollTop = row * height;
		else if ((row + 1) * height > box.scrollTop + box.clientHeight) box.scrollTop = (row + 1) * height - box.clientHeight;
	};

	const onKeyDown = (event: KeyboardEvent): void => {
		// A button in a row, or a link, is pressed by its own.
		if (event.target !== ref.current && (event.key === 'Enter' || event.key === ' ')) return;
		const page = Math.max(1, Math.floor((ref.current?.clientHeight ?? height) / height) - 1);
		const moves: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: count - 1 };
		const to = moves[event.key];
		if (event.altKey || event.ctrlKey || event.metaKey || count === 0) return;
		if (to !== undefined) move(to);
		else if (event.key === 'Enter' && active >= 0) onOpen(active);
		else if (!(active >= 0 && onKey?.(event, active))) return;
		event.preventDefault();
	};

	const seen: number[] = [];
	for (let row = first; row < Math.min(last, count); row++) seen.push(row);
	return (
		<div
			ref={ref}
			class="rows"
			role="grid"
			tabIndex={0}
			aria-label={label}
			aria-rowcount={count}
			aria-activedescendant={active >= first && active < last && active < count ? `${id}-${active}` : undefined}
			onScroll={look}
			onKeyDown={onKeyDown}
			onFocusIn={(event) => (focused.current = event.target as Element)}
			onFocusOut={(event) => {
				if (event.relatedTarget) focused.current = undefined;
			}}
		>
			<div class="space" role="presentation" style={{ height: `${count * height}px` }}>
				{seen.map((row) => (
					<div
						key={rowKey?.(row) ?? row}
						id={`${id}-${row}`}
						role="row"
						aria-rowindex={row + 1}
						aria-selected={row === active}
						class={`line ${row === active ? 'active' : ''} ${rowClass?.(row) ?? ''}`}
						style={{ top: `${row * height}px`, height: `${height}px` }}
						onClick={() => {
							onActive(row);
							onOpen(row);
						}}
					>
						{render(row)}
					</div>
				))}
			</div>
		</div>
	);
}
