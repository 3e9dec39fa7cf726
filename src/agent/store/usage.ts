import { programLines } from '../program.ts';
import type { StorePaths } from './paths.ts';

/** Bytes that all images take on disk; what several share counts once. Looks at every file, at low priority. */
export async function readUsedBytes({ store }: StorePaths, signal: AbortSignal): Promise<number> {
  const command = ['nice', '-n', '19', 'du', '--summarize', '--block-size=1', '--one-file-system', '--', store];
  // It complains of what vanishes meanwhile; the sum comes all the same.
  for await (const line of programLines(command, { signal })) return Number(line.split('\t', 1)[0]);
  throw new Error(`du said nothing about ${store}`);
}
