import { describe, expect, it } from 'vitest';
import { fromText } from './bytes.ts';
import { beginning } from './records.ts';

describe('when a hold began', () => {
	const entry = (text: string) => beginning(fromText(text));

	it('is in the first line of its entry', () => {
		expect(entry('{"state":"held","ttl":60,"since":1764374400,"made":"X"}\nbar')).toEqual({ at: 1764374400_000, ttl: 60 });
	});

	it('is not known of one that waits, of an older gateway, or of what is no entry', () => {
		expect(entry('{"state":"waiting","since":1,"made":"X"}\nbar')).toBeUndefined();
		expect(entry('{"state":"held","ttl":60,"made":"X"}\n{"since":5}')).toBeUndefined();
		expect(entry('bar')).toBeUndefined();
		expect(entry('null\n')).toBeUndefined();
		expect(entry('')).toBeUndefined();
	});
});
