// The editor is large: it is loaded when a value is opened.

import { code } from '../../../../shell/upgrade.ts';
import { chunk } from '../chunk.ts';

export const editor = chunk(() => code(() => import('./editor.ts')));
