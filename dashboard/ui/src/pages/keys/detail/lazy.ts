// The detail of a key is loaded when one is opened: who looks at locks does not need it.

import { chunk } from './chunk.ts';

export const detail = chunk(() => import('./key.ts'));
