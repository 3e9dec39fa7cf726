import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Assets } from '../../src/cli/host.ts';

const source = join(import.meta.dirname, '../../src/page');

/** The files of the page that `kubectl monoroot dashboard` and the web server serve, made of `src/page`. */
export async function pageAssets(): Promise<Assets> {
  const { outputFiles } = await build({
    entryPoints: [join(source, 'main.tsx'), join(source, 'page.css')],
    outdir: '/',
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    target: ['chrome120', 'firefox121', 'safari17'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'warning',
  });
  const textOf = (ending: string) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  return {
    '/index.html': { type: 'text/html; charset=utf-8', text: readFileSync(join(source, 'index.html'), 'utf8') },
    '/icon.svg': { type: 'image/svg+xml', text: readFileSync(join(source, 'icon.svg'), 'utf8') },
    '/main.js': { type: 'text/javascript; charset=utf-8', text: textOf('.js') },
    '/page.css': { type: 'text/css; charset=utf-8', text: textOf('.css') },
  };
}

/** The same as what esbuild puts in the place of a name, in programs that are one file each. */
export const pageSource = async (): Promise<Record<string, string>> => ({
  DASHBOARD_PAGE: JSON.stringify(await pageAssets()),
});
