import { join } from 'node:path';
import { build } from 'esbuild';

/**
 * What esbuild puts in the place of names, in a program that is one file: `src/image/unpack/filter-thread.ts` starts a thread, whose program
 * is a text in that file, as builder and `kubectl monoroot` have no second one beside them.
 */
export async function threadSources(): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../../src/cmd/filter.ts')],
    bundle: true,
    minify: true,
    keepNames: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    logLevel: 'warning',
  });
  return { FILTER_THREAD: JSON.stringify(outputFiles[0]?.text) };
}
