// Is the cluster well, and how much has it to do?

import './overview.css';

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { keepAsking, silence, view } from '../../live/cluster.ts';
import { home } from '../../settings.ts';
import { code } from '../../shell/upgrade.ts';
import { Busy, Page, Panel } from '../../ui/parts.tsx';
import { Counts } from './counts.tsx';
import { Headline, Silence } from './headline.tsx';
import { clock } from './health.ts';
import { Members } from './members.tsx';
import { RoundTrips } from './trips.tsx';

export function Overview() {
	useEffect(keepAsking, []);
	const seen = view.value;
	return (
		<Page title="Overview" beside={seen && <span class="muted overview-small">as of {clock(seen.at)}</span>}>
			<Silence />
			<Headline />
			{seen ? (
				<>
					<Members view={seen} />
					<Last />
					<div class="overview-two">
						<RoundTrips view={seen} />
						<Counts view={seen} />
					</div>
				</>
			) : (
				!silence.value && <Busy>Asking the members…</Busy>
			)}
			<footer class="overview-small muted">
				Built with other people's work: <a href={new URL('licenses.txt', home).href} target="_blank">licences</a>
			</footer>
		</Page>
	);
}

type ChartsModule = { Charts: ComponentType; Span: ComponentType };
let loaded: ChartsModule | undefined;

function Last() {
	const [charts, setCharts] = useState(loaded);
	const [failed, setFailed] = useState(false);
	useEffect(() => {
		if (charts) return;
		let gone = false;
		code(() => import('./charts.tsx')).then(
			(module) => {
				loaded = module;
				if (!gone) setCharts(module);
			},
			() => {
				if (!gone) setFailed(true);
			},
		);
		return () => {
			gone = true;
		};
	}, [charts]);
	return (
		<Panel title={charts ? <charts.Span /> : 'Last minutes'} class="overview-last">
			{charts ? <charts.Charts /> : <p class="overview-collecting muted">{failed ? 'The charts could not be loaded. Reload the page to try again.' : 'Collecting…'}</p>}
		</Panel>
	);
}
