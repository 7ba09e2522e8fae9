import './styles/index.css';

import { render } from 'preact';
import { startRouter } from './router.ts';
import { App } from './shell/app.tsx';

startRouter();
render(<App />, document.getElementById('app')!);
