// The editor is large: it is loaded when a value is opened.

import { chunk } from '../chunk.ts';

export const editor = chunk(() => import('./editor.ts'));
