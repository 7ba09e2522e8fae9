// The frame around the pages: where one can go, and who one is.

import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { asked, signOut, user } from '../api/session.ts';
import { href, type Page, place } from '../router.ts';
import { settings } from '../settings.ts';
import { Confirmation, Toasts } from '../ui/dialog.tsx';
import { Button, Pill } from '../ui/parts.tsx';
import { Content, pages } from './pages.tsx';
import { SignIn } from './sign-in.tsx';
import { upgraded } from './upgrade.ts';

const shown: readonly Page[] = ['overview', 'keys', 'locks', 'elections', ...(settings.api === 'v3' ? (['leases'] as const) : [])];

effect(() => {
	document.title = `${pages[place.value.page].title} · etcd`;
});

export function App() {
	const { page } = place.value;
	const main = useRef<HTMLElement>(null);
	const first = useRef(true);
	useEffect(() => {
		// Who listens to the page, or goes by keyboard, is at the new one's beginning.
		if (!first.current) main.current?.focus({ preventScroll: true });
		first.current = false;
	}, [page]);
	return (
		<>
			<a
				class="button skip"
				href="#main"
				onClick={(event) => {
					event.preventDefault();
					main.current?.focus();
				}}
			>
				Skip to the content
			</a>
			<header class="bar">
				<a class="brand" href={href('overview')} aria-label="etcd, overview">
					<Mark />
					etcd
				</a>
				<nav aria-label="Pages">
					{shown.map((name) => (
						<a key={name} href={href(name)} aria-current={name === page ? 'page' : undefined}>
							{pages[name].title}
						</a>
					))}
				</nav>
				<div class="aside">
					{settings.readOnly && <Pill title="The gateway refuses all writes of this page">read only</Pill>}
					<Pill title={`The gateway uses etcd's ${settings.api} API`}>{settings.api}</Pill>
					<User />
				</div>
			</header>
			{upgraded.value && (
				<div class="banner upgraded" role="alert">
					<strong>The gateway has been upgraded: reload this page</strong>
					<span>Parts of it cannot be loaded any more. Save what you are editing first.</span>
					<Button small onClick={() => location.reload()}>
						Reload
					</Button>
				</div>
			)}
			<main id="main" ref={main} tabIndex={-1}>
				<Content page={page} />
			</main>
			<Toasts />
			<Confirmation />
			<SignIn />
		</>
	);
}

function User() {
	if (!user.value) {
		return (
			<Button small kind="plain" onClick={() => (asked.value = true)}>
				Sign in
			</Button>
		);
	}
	return (
		<>
			<span class="who cut" title={`Signed in as ${user.value}`}>
				{user.value}
			</span>
			<Button small kind="plain" onClick={signOut}>
				Sign out
			</Button>
		</>
	);
}

/** Two who wait on one who holds. */
function Mark() {
	return (
		<svg viewBox="0 0 32 32" aria-hidden="true">
			<rect width="32" height="32" rx="7" fill="var(--accent)" />
			<g fill="none" stroke="var(--on-accent)" stroke-width="3" stroke-linecap="round">
				<path d="M7 16h5m8 0h5" />
				<circle cx="16" cy="16" r="4.2" />
			</g>
		</svg>
	);
}
