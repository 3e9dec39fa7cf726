import { existsSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StorePaths } from './paths.ts';
import { removeTree } from '../../system/files.ts';

/** The process is in the name, so that what one has left that was killed is known from what another one uses. */
const scratchName = /^scratch-(\d+)-/;

/** Does some work with a directory for files of its own, which is gone at the end: an agent that starts empties what has them all. */
export async function withScratch<T>(paths: StorePaths, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await makeScratch(paths);
  try {
    return await work(scratch);
  } finally {
    await removeTree(scratch);
  }
}

/**
 * Makes such a directory, which the caller removes. Those of processes that were killed are removed first, so that however often that
 * happens the disk holds no more than those of one time.
 */
export async function makeScratch({ staging }: StorePaths): Promise<string> {
  for (const name of await readdir(staging)) {
    const [, pid] = scratchName.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await removeTree(join(staging, name));
  }
  return mkdtemp(join(staging, `scratch-${process.pid}-`));
}
