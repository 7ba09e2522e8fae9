// Whether the cluster is well, in one sentence; then what to do.

import { explain } from '../../api/failure.ts';
import { silence, view } from '../../live/cluster.ts';
import { Copy } from '../../ui/parts.tsx';
import { clock, type Finding, health } from './health.ts';

export function Headline() {
	const seen = view.value;
	if (!seen) return null;
	const { tone, title, advice, commands, more } = health(seen.cluster, seen.rows);
	return (
		<section class={`overview-headline ${tone} ${silence.value ? 'old' : ''}`} aria-label="State of the cluster">
			<div role="status">
				<p class="overview-title">{title}</p>
				{advice && <p>{advice}</p>}
			</div>
			{commands && (
				<ol class="overview-commands">
					{commands.map((command) => (
						<li key={command} class="command">
							<code>{command}</code>
							<Copy text={command} />
						</li>
					))}
				</ol>
			)}
			{more.length > 0 && (
				<ul class="overview-more">
					{more.map((finding) => (
						<More key={finding.title} finding={finding} />
					))}
				</ul>
			)}
		</section>
	);
}

function More({ finding: { tone, title, advice, commands } }: { finding: Finding }) {
	return (
		<li class={tone ?? ''}>
			{tone ? <strong>{title}</strong> : title} {advice}{' '}
			{commands?.map((command, i) => (
				<>
					{i > 0 && ', '}
					<code>{command}</code>
				</>
			))}
		</li>
	);
}

/** That the gateway does not answer, and how old that is which is shown. */
export function Silence() {
	if (!silence.value) return null;
	const { failure, since } = silence.value;
	const { title, advice } = explain(failure);
	const asOf = view.value ? ` What is shown is as of ${clock(view.value.at)}.` : '';
	return (
		<div class="note bad" role="alert">
			<div>
				<strong>
					{title} since {clock(since)}.
				</strong>
				<p>
					{advice}
					{asOf}
				</p>
				<details>
					<summary>Message</summary>
					<code>{failure.message}</code>
				</details>
			</div>
		</div>
	);
}
