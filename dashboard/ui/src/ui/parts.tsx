// Small parts that all pages are made of.

import type { ButtonHTMLAttributes, ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { explain, type Failure } from '../api/failure.ts';
import { asked, user } from '../api/session.ts';
import { now } from '../live/clock.ts';

export type Tone = 'good' | 'wait' | 'warn' | 'bad';

export function Pill({ tone, title, children }: { tone?: Tone; title?: string; children: ComponentChildren }) {
	return (
		<span class={`pill ${tone ?? ''}`} title={title}>
			{children}
		</span>
	);
}

export function Dot({ tone }: { tone?: Tone }) {
	return <i class={`dot ${tone ?? ''}`} aria-hidden="true" />;
}

export type ButtonProps = ButtonHTMLAttributes & { kind?: 'primary' | 'danger' | 'plain'; small?: boolean };

export function Button({ kind, small, class: more, ...rest }: ButtonProps) {
	return <button type="button" {...rest} class={`button ${kind ?? ''} ${small ? 'small' : ''} ${more ?? ''}`} />;
}

/** A page: its title, what can be done there, and its content. */
export function Page({ title, beside, actions, full, children }: { title: string; beside?: ComponentChildren; actions?: ComponentChildren; full?: boolean; children: ComponentChildren }) {
	return (
		<div class={`page ${full ? 'full' : ''}`}>
			<div class="head">
				<h1>{title}</h1>
				{beside}
				{actions && <div class="actions">{actions}</div>}
			</div>
			{children}
		</div>
	);
}

export function Panel({ title, actions, bare, children, class: more }: { title?: ComponentChildren; actions?: ComponentChildren; bare?: boolean; children: ComponentChildren; class?: string }) {
	return (
		<section class={`panel ${more ?? ''}`}>
			{(title || actions) && (
				<header>
					<h2 class="cut">{title}</h2>
					{actions && <div class="actions">{actions}</div>}
				</header>
			)}
			{bare ? children : <div class="body">{children}</div>}
		</section>
	);
}

/** What failed, in words, and what to do; the message itself is there for those who want it. */
export function Problem({ failure, retry, children }: { failure: Failure; retry?: (() => void) | undefined; children?: ComponentChildren }) {
	const { title, advice } = explain(failure);
	return (
		<div class={`note ${failure.kind === 'conflict' || failure.kind === 'unknown' ? 'warn' : 'bad'}`} role="alert">
			<div>
				<strong>{title}</strong>
				<p>{advice}</p>
				{children}
				<details>
					<summary>Message</summary>
					<code>{failure.message}</code>
				</details>
			</div>
			{(failure.kind === 'signIn' || failure.kind === 'forbidden') && (
				<Button small onClick={() => (asked.value = true)}>
					{user.value ? 'Sign in as another user' : 'Sign in'}
				</Button>
			)}
			{retry && (
				<Button small onClick={retry}>
					Try again
				</Button>
			)}
		</div>
	);
}

/** What is said where there is nothing yet: why, and how to change that. */
export function Empty({ title, children, command }: { title: string; children?: ComponentChildren; command?: string }) {
	return (
		<div class="empty">
			<strong>{title}</strong>
			{children && <p>{children}</p>}
			{command && (
				<div class="command">
					<code>{command}</code>
					<Copy text={command} />
				</div>
			)}
		</div>
	);
}

/** Something is on its way. It is only said when it takes a while. */
export function Busy({ children = 'Loading…' }: { children?: ComponentChildren }) {
	return (
		<div class="busy" role="status">
			{children}
		</div>
	);
}

export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
	const [done, setDone] = useState(false);
	// Without TLS there is no clipboard, but for localhost.
	if (!navigator.clipboard) return null;
	return (
		<Button
			small
			kind="plain"
			onClick={() => {
				void navigator.clipboard.writeText(text).then(() => {
					setDone(true);
					setTimeout(() => setDone(false), 1500);
				});
			}}
		>
			{done ? 'Copied' : label}
		</Button>
	);
}

/**
 * The whole seconds that are left, as they are shown wherever a time counts down. When it
 * is over is known to half a second, since etcd tells whole ones: so they are rounded.
 */
export function secondsLeft(deadline: number): number {
	return Math.max(0, Math.round((deadline - now.value) / 1000));
}

/**
 * A holder's time: the seconds left, and how much of its TTL that is. Kept: its time has
 * been over before, and it had been renewed, which nobody tells.
 */
export function Ttl({ deadline, of, kept }: { deadline: number; of?: number | undefined; kept?: boolean }) {
	const left = Math.max(0, (deadline - now.value) / 1000);
	if (kept && left === 0) return <span title="Its time was over, and is not: whoever it belongs to renews it">kept alive</span>;
	return (
		<span class="ttl" title={`its time is over in ${duration(secondsLeft(deadline))}, unless it is renewed`}>
			<span>{duration(secondsLeft(deadline))}</span>
			{of ? (
				<i>
					<b style={{ transform: `scaleX(${Math.min(1, left / of).toFixed(3)})` }} />
				</i>
			) : null}
		</span>
	);
}

/** How long ago something was; the time itself as its title. */
export function Ago({ at }: { at: number }) {
	return (
		<time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
			{duration(Math.max(0, Math.floor((now.value - at) / 1000)))}
		</time>
	);
}

/** A duration as people say it: the two largest units. */
export function duration(seconds: number): string {
	const whole = Math.floor(seconds);
	if (whole < 60) return `${whole}s`;
	if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
	if (whole < 86400) return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
	return `${Math.floor(whole / 86400)}d ${Math.floor((whole % 86400) / 3600)}h`;
}

/** A size in bytes as people say it. */
export function size(bytes: number): string {
	if (bytes < 1024) return `${bytes} B`;
	const units = ['KiB', 'MiB', 'GiB', 'TiB'];
	let n = bytes / 1024;
	let i = 0;
	while (n >= 1024 && i < units.length - 1) {
		n /= 1024;
		i++;
	}
	return `${n.toFixed(n < 10 ? 1 : 0)} ${units[i]}`;
}

/** A number with its thousands apart. */
export function count(n: number): string {
	return n.toLocaleString('en');
}
