// Every key of etcd: folders, their keys, and the key that is open.

import './keys.css';

import { place } from '../../router.ts';
import { Browser } from './browse/browser.tsx';
import { where } from './browse/where.ts';

export function Keys() {
	const { parameters } = place.value;
	return <Browser at={where(parameters)} landed={parameters.size === 0} />;
}
