import './styles/index.css';

import { render } from 'preact';
import { startRouter } from './router.ts';
import { App } from './shell/app.tsx';

startRouter();
const root = document.getElementById('app')!;
root.replaceChildren();
render(<App />, root);
