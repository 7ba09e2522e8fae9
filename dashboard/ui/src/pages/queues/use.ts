// What the pages of locks, elections and leases use of the browser.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
	const [holds, setHolds] = useState(() => matchMedia(query).matches);
	useEffect(() => {
		const media = matchMedia(query);
		const look = (): void => setHolds(media.matches);
		look();
		media.addEventListener('change', look);
		return () => media.removeEventListener('change', look);
	}, [query]);
	return holds;
}

/** An element's width, as it changes. */
export function useWidth(): [ref: { current: HTMLDivElement | null }, width: number] {
	const ref = useRef<HTMLDivElement>(null);
	const [width, setWidth] = useState(0);
	useLayoutEffect(() => {
		const box = ref.current;
		if (!box) return;
		const look = (): void => setWidth(box.clientWidth);
		look();
		const watcher = new ResizeObserver(look);
		watcher.observe(box);
		return () => watcher.disconnect();
	}, []);
	return [ref, width];
}

/** Has Escape do something, wherever the focus is, unless it is somebody else's: a dialog's, or a field's. */
export function useEscape(run: () => void): void {
	const latest = useRef(run);
	latest.current = run;
	useEffect(() => {
		const press = (event: KeyboardEvent): void => {
			if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
			if (event.target instanceof Element && event.target.matches('input, textarea, select')) return;
			latest.current();
		};
		document.addEventListener('keydown', press);
		return () => document.removeEventListener('keydown', press);
	}, []);
}
