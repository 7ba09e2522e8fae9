// From each member to each other one, and back.

import { trips, type View } from '../../live/cluster.ts';
import { between, slow } from '../../live/trips.ts';
import { Panel } from '../../ui/parts.tsx';
import { Text } from '../../ui/text.tsx';
import { called } from './health.ts';
import { milliseconds } from './members.tsx';

export function RoundTrips({ view }: { view: View }) {
	const all = trips.value;
	const members = view.rows.filter((r) => r.id !== '' && view.rows.some((o) => all.has(between(r.id, o.id)) || all.has(between(o.id, r.id))));
	const from = members.filter((r) => members.some((to) => all.has(between(r.id, to.id))));
	if (from.length === 0) return null;
	const seconds = [...all.values()].map((t) => t.seconds);
	return (
		<Panel title="Round trips between members, ms" bare>
			<div class="scroll-x">
				<table class="table overview-trips">
					<thead>
						<tr>
							<th scope="col">from \ to</th>
							{members.map((to) => (
								<th key={to.key} scope="col" class="number" title={called(to)}>
									<span class="cut">{called(to)}</span>
								</th>
							))}
						</tr>
					</thead>
					<tbody>
						{from.map((r) => (
							<tr key={r.key}>
								<th scope="row" title={called(r)}>
									<Text text={called(r)} />
								</th>
								{members.map((to) => (
									<Cell key={to.key} from={r.id} to={to.id} seconds={seconds} connected={r.metrics?.activePeers.includes(to.id) ?? true} />
								))}
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</Panel>
	);
}

function Cell({ from, to, seconds, connected }: { from: string; to: string; seconds: readonly number[]; connected: boolean }) {
	if (from === to) return <td class="number" />;
	const trip = trips.value.get(between(from, to));
	if (!connected) {
		return (
			<td class="number overview-bad" title="They are not connected now">
				not connected
			</td>
		);
	}
	if (!trip) return <td class="number muted">–</td>;
	const much = slow(trip.seconds, seconds);
	return (
		<td class={`number data ${much ? 'overview-warn' : trip.recent ? '' : 'muted'}`} title={trip.recent ? 'As last measured' : 'The average since it was started; nothing has been measured since this page was opened'}>
			{milliseconds(trip.seconds)}
			{much && ' slow'}
		</td>
	);
}
