import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorePaths } from './paths.ts';
import { removeTree } from '../../system/files.ts';

/** Does some work with a directory for files of its own, which is gone at the end: an agent that starts empties what has them all. */
export async function withScratch<T>({ staging }: StorePaths, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(staging, 'scratch-'));
  try {
    return await work(scratch);
  } finally {
    await removeTree(scratch);
  }
}
