import { describe, expect, test, vi } from 'vitest';
import { fromText } from './bytes.ts';
import { hasGateways, isGateways, own, partOf } from './own.ts';

vi.mock('../settings.ts', () => ({ settings: { api: 'v3', readOnly: false, prefix: '/schlösser/mod' } }));

const key = (text: string) => fromText(text);

describe('below a prefix that is not ASCII', () => {
	test('keys are known by their part', () => {
		expect(own('v3', key('/schlösser/mod/lock/jobs/1'))).toEqual({ part: 'lock', rest: 'jobs/1' });
		expect(own('v3', key('/schlösser/mod/leader/ö/1'))).toEqual({ part: 'leader', rest: fromText('ö/1') });
		expect(own('v3', key('/schlösser/mod/gateway/1'))?.part).toBe('gateway');
		expect(own('v3', key('/schlösser/mod/lease/1'))?.part).toBe('lease');
		expect(own('v3', key('/schlösser/mod/cancelled/1'))?.part).toBe('cancelled');
		expect(own('v3', key('/schlösser/mod/locks/1'))).toEqual({ part: undefined, rest: 'locks/1' });
		expect(partOf('lock')).toBe(fromText('/schlösser/mod/lock/'));
	});

	test('what is beside it, or in the other key space, is somebody else’s', () => {
		for (const other of ['/schlösser/mod', '/schlösser/module', '/schlösser/', 'lock/', '']) expect(own('v3', key(other))).toBeUndefined();
		expect(own('v2', key('/schlösser/mod/lock/jobs/1'))).toBeUndefined();
		expect(isGateways('v2', key('/schlösser/mod/'))).toBe(false);
		expect(hasGateways('v2', key('/'))).toBe(false);
	});

	test('folders are marked from the first that is named for it', () => {
		for (const folder of ['/schlösser/', '/schlösser/mod/', '/schlösser/mod/lock/', '/schlösser/mod/lock/jobs/1']) expect(isGateways('v3', key(folder))).toBe(true);
		for (const folder of ['', '/', '/schlösser', '/schl', '/schlösser/other/']) expect(isGateways('v3', key(folder))).toBe(false);
	});

	test('folders have some of them', () => {
		for (const folder of ['', '/', '/schl', '/schlösser/', '/schlösser/mod/', '/schlösser/mod/lock/']) expect(hasGateways('v3', key(folder))).toBe(true);
		for (const folder of ['a/', '/schlösser/other/', '/schlösser/module/']) expect(hasGateways('v3', key(folder))).toBe(false);
	});
});
