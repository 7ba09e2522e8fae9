// The last minutes as small charts, one beside the other on the same time. They are a
// chunk of their own: the page is there before them.

import 'uplot/dist/uPlot.min.css';

import { computed, signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { history, view, type Row } from '../../live/cluster.ts';
import { type History, type Measure, span, type Value } from '../../live/history.ts';
import { called, clock } from './health.ts';
import { color, palette, pattern, slot, Swatch } from './series.tsx';

interface Chart {
	measure: Measure;
	title: string;
	unit: string;
	/** What is measured, and where. */
	about: string;
	/** What one of the unit is, in what the history has. */
	scale: number;
	/** The axis goes up to this at least, so that what is nothing looks like nothing. */
	least: number;
}

const charts: readonly Chart[] = [
	{ measure: 'requests', title: 'Requests', unit: 'per second', about: 'Requests of clients that each member has handled', scale: 1, least: 4 },
	{ measure: 'latency', title: 'Status latency', unit: 'ms', about: 'How long each member takes to tell the gateway its status', scale: 0.001, least: 4 },
	{ measure: 'fsync', title: 'WAL fsync', unit: 'ms, average', about: 'How long it takes to sync the write-ahead log to the disk. Above 10 ms, the disk is slow', scale: 0.001, least: 1 },
	{ measure: 'commit', title: 'Backend commit', unit: 'ms, average', about: 'How long it takes to commit to the database. Above 25 ms, the disk is slow', scale: 0.001, least: 1 },
];

/** Where the cursor is, in all charts: the number of a time. */
const cursor = signal<number | undefined>(undefined);
const pointed = computed(() => {
	const at = cursor.value === undefined ? undefined : history.value.times[cursor.value];
	return at === undefined ? undefined : clock(at * 1000);
});

export function Charts() {
	const { times } = history.value;
	const rows = view.value?.rows.filter((r) => history.value.lines.has(r.key)) ?? [];
	useEffect(() => () => void (cursor.value = undefined), []);
	if (times.length < 2 || rows.length === 0) return <p class="overview-collecting muted">Collecting… Two answers of the gateway make a rate.</p>;
	// A place is kept for what may come in a moment.
	const young = (times.at(-1) ?? 0) - (times[0] ?? 0) < 20;
	const shown = charts.filter((chart) => young || measured(rows, chart));
	return (
		<div class="overview-charts">
			{shown.map((chart) => (
				<Small key={chart.measure} chart={chart} rows={rows} />
			))}
		</div>
	);
}

/** What the charts show: up to now, or at the cursor. */
export function Span() {
	const { times } = history.value;
	const seconds = Math.round((times.at(-1) ?? 0) - (times[0] ?? 0));
	const minutes = Math.round(seconds / 60);
	if (pointed.value) return <>At {pointed.value}</>;
	return <>{seconds < 90 ? `Last ${seconds} seconds` : `Last ${minutes} minutes`}</>;
}

function Small({ chart, rows }: { chart: Chart; rows: readonly Row[] }) {
	const { times, lines } = history.value;
	const at = cursor.value ?? times.length - 1;
	const values = rows.map((r) => ({ row: r, value: near(lines.get(r.key)?.[chart.measure], at) }));
	return (
		<figure class="overview-chart" aria-label={`${chart.title}, ${chart.unit}`}>
			<figcaption title={chart.about}>
				<strong>{chart.title}</strong> <span class="muted">{chart.unit}</span>
			</figcaption>
			{measured(rows, chart) ? <Plot chart={chart} keys={rows.map((r) => r.key)} /> : <p class="overview-none muted">Nothing measured yet</p>}
			<ul class="overview-values">
				{values.map(({ row, value }) => (
					<li key={row.key} title={called(row)}>
						<Swatch of={row.key} />
						<span class="cut">{called(row)}</span>
						<span class="data">{typeof value === 'number' ? brief(value / chart.scale) : '–'}</span>
					</li>
				))}
			</ul>
		</figure>
	);
}

/** Whether there is anything to draw. */
function measured(rows: readonly Row[], { measure }: Chart): boolean {
	return rows.some((r) => history.value.lines.get(r.key)?.[measure].some((v) => typeof v === 'number'));
}

/** The value at a time, or what was measured last before it. */
function near(line: readonly Value[] | undefined, at: number): Value {
	let i = at;
	while (i > 0 && line?.[i] === undefined && at - i < 15) i--;
	return line?.[i];
}

function brief(n: number): string {
	return n === 0 ? '0' : n < 0.1 ? n.toFixed(2) : n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en');
}

function Plot({ chart, keys }: { chart: Chart; keys: string[] }) {
	const box = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot>(undefined);
	const members = keys.join(' ');
	const data = table(history.value, chart, keys);
	useLayoutEffect(() => {
		const { current } = box;
		if (!current) return;
		const made = new uPlot(options(chart, keys, current.clientWidth), data, current);
		plot.current = made;
		const watcher = new ResizeObserver(() => made.setSize({ width: current.clientWidth, height }));
		watcher.observe(current);
		const unsubscribe = palette.subscribe(() => made.redraw(false, true));
		return () => {
			unsubscribe();
			watcher.disconnect();
			made.destroy();
		};
	}, [members]);
	useLayoutEffect(() => plot.current?.setData(data), [history.value]);
	return <div ref={box} class="overview-plot" aria-hidden="true" />;
}

function table({ times, lines }: History, chart: Chart, keys: readonly string[]): uPlot.AlignedData {
	const scaled = keys.map((key) => (lines.get(key)?.[chart.measure] ?? []).map((v) => (typeof v === 'number' ? v / chart.scale : v)));
	return [[...times], ...scaled];
}

/** Where there is something with nothing beside it. */
function alone(values: ArrayLike<Value>): number[] {
	const found: number[] = [];
	for (let i = 0; i < values.length; i++) {
		if (typeof values[i] !== 'number') continue;
		const [before, after] = [values[i - 1], values[i + 1]];
		if (before === null && (after === null || i === values.length - 1)) found.push(i);
	}
	return found;
}

const height = 120;
const font = '11px system-ui, sans-serif';

function options({ least }: Chart, keys: readonly string[], width: number): uPlot.Options {
	const axis: uPlot.Axis = {
		font,
		stroke: () => palette.peek().text,
		grid: { stroke: () => palette.peek().grid, width: 1 },
		ticks: { show: false },
	};
	return {
		width,
		height,
		padding: [8, 20, 0, 0], // for half a time at the right
		legend: { show: false },
		cursor: {
			y: false,
			drag: { x: false, y: false },
			points: { size: 5 },
			sync: { key: 'overview' },
		},
		scales: {
			// A minute at least, ten at most, up to now.
			x: { time: true, range: (_, min, max) => [max - Math.min(span, Math.max(60, max - min)), max] },
			y: { range: (_, __, max) => [0, Math.max(least, (max || 0) * 1.08)] },
		},
		axes: [
			{ ...axis, size: 22, gap: 4, space: 64, grid: { show: false }, values: (_, at) => at.map((t) => (t % 60 ? clock(t * 1000) : clock(t * 1000).slice(0, 5))), incrs: [30, 60, 120, 300, 600] },
			{ ...axis, size: 34, gap: 4, space: 34, values: (_, at) => at.map((v) => v.toLocaleString('en')) },
		],
		series: [
			{},
			...keys.map((key) => ({
				stroke: () => color(palette.peek(), slot(key)),
				width: 1.5,
				dash: pattern(slot(key)),
				spanGaps: false,
				// A line needs two; one alone between gaps is a point.
				points: { show: true, size: 4, fill: () => color(palette.peek(), slot(key)), filter: (u: uPlot, line: number) => alone(u.data[line] ?? []) },
			})),
		],
		hooks: {
			setCursor: [
				(u) => {
					cursor.value = u.cursor.idx ?? undefined;
				},
			],
		},
	};
}
