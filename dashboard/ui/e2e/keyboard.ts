// Using a page without a mouse.

import type { Locator, Page } from 'playwright-core';

/** Presses these keys one after the other: press(page, 'ArrowDown', 'Enter'). */
export async function press(page: Page, ...keys: string[]): Promise<void> {
	for (const key of keys) await page.keyboard.press(key);
}

/** Whether the element itself has the focus; also in a shadow root. */
export function hasFocus(target: Locator): Promise<boolean> {
	return target.evaluate((element) => element === (element.getRootNode() as Document | ShadowRoot).activeElement);
}

/** Presses Tab (or another key) until the element has the focus, as somebody without a mouse would. */
export async function tabTo(page: Page, target: Locator, { key = 'Tab', most = 60 } = {}): Promise<void> {
	await target.first().waitFor();
	const passed: string[] = [];
	for (let i = 0; i < most; i++) {
		if ((await target.count()) > 0 && (await hasFocus(target.first()))) return;
		await page.keyboard.press(key);
		passed.push(await focused(page));
	}
	throw new Error(`${key} does not get to ${String(target)}, but to:\n${passed.join('\n')}`);
}

/** The element with the focus, in words. */
export function focused(page: Page): Promise<string> {
	return page.evaluate(() => {
		let element = document.activeElement;
		while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
		if (!element) return 'nothing';
		const name = element.getAttribute('aria-label') ?? element.textContent ?? '';
		return `<${element.tagName.toLowerCase()}${element.id ? ` id=${element.id}` : ''}> ${name.trim().slice(0, 60)}`;
	});
}

/** Types into what has the focus, in place of all that is in it. */
export async function retype(page: Page, text: string): Promise<void> {
	await page.keyboard.press('ControlOrMeta+a');
	await page.keyboard.insertText(text);
}
