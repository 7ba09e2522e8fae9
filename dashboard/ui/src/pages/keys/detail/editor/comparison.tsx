// Two values and what differs between them.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Bytes, toText } from '../../../../api/bytes.ts';
import { Busy } from '../../../../ui/parts.tsx';
import { excerpt, type Excerpt, whole } from './excerpt.ts';
import { formatHex } from './hex.ts';
import { detect } from './language.ts';
import { editor } from './load.ts';

export interface ComparisonProps {
	a: Bytes;
	b: Bytes;
	labels: [string, string];
	/** One below the other, however wide it is. */
	unified?: boolean;
}

/** Bytes as digits. */
function digits(of: Excerpt): Excerpt {
	return { ...of, a: formatHex(of.a as Bytes), b: formatHex(of.b as Bytes) };
}

const wide = matchMedia('(min-width: 700px)');

export function Comparison({ a, b, labels, unified = false }: ComparisonProps) {
	const host = useRef<HTMLDivElement>(null);
	const module = editor.content.value;
	const beside = useWide() && !unified;
	const texts = [toText(a), toText(b)] as const;
	const hex = texts[0] === undefined || texts[1] === undefined;
	const shown = useMemo(() => (hex ? digits(excerpt(a, b, whole / 3)) : excerpt(texts[0] ?? '', texts[1] ?? '')), [a, b]);
	const { a: left, b: right } = shown;

	useEffect(editor.load, []);
	useEffect(() => {
		const element = host.current;
		if (!module || !element) return;
		const parent = element.shadowRoot ?? element.attachShadow({ mode: 'open', delegatesFocus: true });
		return module.openComparison({ parent, a: left, b: right, labels, form: hex ? 'hex' : detect(right), unified: !beside });
	}, [module, left, right, hex, beside]);

	if (a === b) return <p class="muted">Both are the same, byte for byte.</p>;
	return (
		<div class="comparison">
			{beside && (
				<div class="comparison-names">
					{labels.map((label) => (
						<span key={label}>{label}</span>
					))}
				</div>
			)}
			{!beside && <p class="muted">{`− ${labels[0]}, + ${labels[1]}`}</p>}
			{shown.cut && <p class="muted">They are long: only what is around the difference is shown, so lines are counted from there.</p>}
			{shown.more && <p class="muted">More differs than is shown.</p>}
			{module === undefined && <Busy />}
			{module === null && (
				<div class="comparison-plain">
					{[left, right].map((text, i) => (
						<textarea key={i} class="input data" readOnly rows={8} aria-label={labels[i]} value={text} />
					))}
				</div>
			)}
			<div ref={host} class="comparison-host" />
		</div>
	);
}

function useWide(): boolean {
	const [is, set] = useState(wide.matches);
	useEffect(() => {
		const look = (): void => set(wide.matches);
		wide.addEventListener('change', look);
		return () => wide.removeEventListener('change', look);
	}, []);
	return is;
}
