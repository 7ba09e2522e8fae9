// The detail of a key is loaded when one is opened: who looks at locks does not need it.

import { code } from '../../../shell/upgrade.ts';
import { chunk } from './chunk.ts';

export const detail = chunk(() => code(() => import('./key.ts')));
