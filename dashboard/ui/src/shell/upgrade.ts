// Code that is in files of its own, and what is known when one can't be had: the files
// of a page are there as long as the gateway is of the version that the page came from.

import { signal } from '@preact/signals';

/** The gateway has been upgraded since the page was loaded. */
export const upgraded = signal(false);

/** Loads code. If it is not there because of an upgrade, the frame says so. */
export async function code<T>(get: () => Promise<T>): Promise<T> {
	try {
		return await get();
	} catch (thrown) {
		await look();
		throw thrown;
	}
}

/** Asks the gateway for this very file: whether it has this version's. */
export async function look(): Promise<boolean> {
	try {
		const { ok, status } = await fetch(import.meta.url, { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(3000) });
		if (status === 404) upgraded.value = true;
		return ok;
	} catch {
		return false; // it may be that it is being upgraded, or anything else
	}
}
