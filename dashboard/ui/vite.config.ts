import { defineConfig } from 'vite';
import { collected, licenses } from './licenses.ts';

// The built files are committed, so their names are stable and say nothing of the
// machine; the server gives them ETags made of their content. All addresses are
// relative, since the gateway may stand below any path.
export default defineConfig({
	base: './',
	plugins: [licenses()],
	build: {
		outDir: '../dist',
		emptyOutDir: true,
		license: { fileName: collected },
		target: 'es2022',
		cssCodeSplit: false,
		modulePreload: { polyfill: false },
		assetsInlineLimit: 0, // a data: address is refused by the page's CSP
		rolldownOptions: {
			output: {
				entryFileNames: 'assets/[name].js',
				chunkFileNames: 'assets/[name].js',
				assetFileNames: 'assets/[name][extname]',
			},
		},
	},
	oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
	// npm run dev: the page from here, everything else from a gateway.
	server: {
		proxy: Object.fromEntries(
			['/v2', '/v3', '/mod/v2', '/mod/dashboard/api'].map((path) => [path, process.env['GATEWAY'] ?? 'http://127.0.0.1:4001']),
		),
	},
});
