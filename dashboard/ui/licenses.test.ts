import { expect, test } from 'vitest';
import { summary } from './licenses.ts';

const mit = 'Permission is hereby granted, free of charge,\nto any person\n\nTHE SOFTWARE IS PROVIDED "AS IS".';
const packages = [
	{ name: 'a', version: '1.0.0', identifier: 'MIT', text: `MIT License\n\nCopyright (C) 2018 by A <a@a> and others\n\n${mit}` },
	{ name: 'b', version: '2.0.0', identifier: 'ISC', text: 'ISC License\n\nCopyright (c) B\n\nPermission to use\n' },
	{ name: 'c', version: '3.0.0', identifier: 'MIT', text: `The MIT License (MIT)\r\n\r\nCopyright (c) C\r\nCopyright (c) D\r\n\r\n${mit.replace('\n', ' ')}\r\n` },
];

test('each notice is kept, and a text that several have is there once', () => {
	const text = summary(packages);
	for (const kept of ['a 1.0.0 (MIT)\nCopyright (C) 2018 by A <a@a> and others', 'c 3.0.0 (MIT)\nCopyright (c) C\nCopyright (c) D', 'b 2.0.0 (ISC)\n\nISC License\n\nCopyright (c) B\n\nPermission to use', mit]) {
		expect(text).toContain(kept);
	}
	expect(text.split('AS IS')).toHaveLength(2);
	expect(text.indexOf('a 1.0.0')).toBeLessThan(text.indexOf('c 3.0.0'));
	expect(text.indexOf('c 3.0.0')).toBeLessThan(text.indexOf(mit));
});

test('one that has none is not built in unnoticed', () => {
	expect(() => summary([{ name: 'd', version: '4.0.0', identifier: 'MIT' }])).toThrow('d 4.0.0');
});
