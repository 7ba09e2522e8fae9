// Asks who the user is to etcd.

import { useState } from 'preact/hooks';
import { asFailure, type Failure } from '../api/failure.ts';
import { asked, decline, signIn } from '../api/session.ts';
import { settings } from '../settings.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Button, Problem } from '../ui/parts.tsx';

export function SignIn() {
	return asked.value ? <Form /> : null;
}

function Form() {
	const [failure, setFailure] = useState<Failure>();
	const [busy, setBusy] = useState(false);
	const submit = async (form: HTMLFormElement, unchecked: boolean): Promise<void> => {
		const given = new FormData(form);
		setBusy(true);
		setFailure(undefined);
		try {
			await signIn(String(given.get('name')), String(given.get('password')), { unchecked });
		} catch (thrown) {
			setFailure(asFailure(thrown));
			setBusy(false);
		}
	};
	return (
		<Dialog title="Sign in to etcd" onClose={decline}>
			<p>The name and the password of a user of etcd. They are sent to it, and kept nowhere else than in this page until it is closed.</p>
			<form
				class="sign-in"
				onSubmit={(event) => {
					event.preventDefault();
					const { submitter } = event;
					void submit(event.currentTarget, submitter instanceof HTMLButtonElement && submitter.value === 'unchecked');
				}}
			>
				<label class="field">
					<span>User</span>
					<input class="input" name="name" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
				</label>
				<label class="field">
					<span>Password</span>
					<input class="input" name="password" type="password" autocomplete="current-password" />
				</label>
				{failure && <Refusal failure={failure} />}
				<div class="buttons">
					<Button onClick={decline}>Not now</Button>
					{failure?.kind === 'signIn' && settings.api === 'v2' && (
						<Button type="submit" value="unchecked" disabled={busy}>
							Use it unchecked
						</Button>
					)}
					<Button type="submit" kind="primary" disabled={busy}>
						Sign in
					</Button>
				</div>
			</form>
		</Dialog>
	);
}

function Refusal({ failure }: { failure: Failure }) {
	const off = /authentication is not enabled/.test(failure.message);
	if (failure.kind !== 'signIn' && !off) return <Problem failure={failure} />;
	return (
		<div class="note bad" role="alert">
			<div>
				<strong>{off ? 'This etcd asks nobody who they are' : 'etcd does not take this name and password'}</strong>
				<p>{off ? 'Its authentication is off: there is nothing to sign in for.' : settings.api === 'v2' ? 'One of them is wrong; or they are right, and this user may not read the root. Then use them unchecked.' : 'One of them is wrong.'}</p>
			</div>
		</div>
	);
}
