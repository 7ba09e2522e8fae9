import { render } from 'preact';

render(<h1>etcd</h1>, document.getElementById('app')!);
