// Asks who the user is to etcd.

import { useState } from 'preact/hooks';
import { asFailure, type Failure } from '../api/failure.ts';
import { asked, signIn } from '../api/session.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Button, Problem } from '../ui/parts.tsx';

export function SignIn() {
	return asked.value ? <Form /> : null;
}

function Form() {
	const [failure, setFailure] = useState<Failure>();
	const [busy, setBusy] = useState(false);
	const submit = async (form: HTMLFormElement): Promise<void> => {
		const given = new FormData(form);
		setBusy(true);
		setFailure(undefined);
		try {
			await signIn(String(given.get('name')), String(given.get('password')));
		} catch (thrown) {
			setFailure(asFailure(thrown));
			setBusy(false);
		}
	};
	return (
		<Dialog title="Sign in to etcd" onClose={() => (asked.value = false)}>
			<p>This etcd has users. The name and the password are sent to it, and kept nowhere else than in this page until it is closed.</p>
			<form
				onSubmit={(event) => {
					event.preventDefault();
					void submit(event.currentTarget);
				}}
			>
				<label class="field">
					<span>User</span>
					<input class="input" name="name" autocomplete="username" required autofocus />
				</label>
				<label class="field">
					<span>Password</span>
					<input class="input" name="password" type="password" autocomplete="current-password" />
				</label>
				{failure && <Problem failure={failure} />}
				<div class="buttons">
					<Button onClick={() => (asked.value = false)}>Not now</Button>
					<Button type="submit" kind="primary" disabled={busy}>
						Sign in
					</Button>
				</div>
			</form>
		</Dialog>
	);
}
