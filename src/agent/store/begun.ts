import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../../system/errors.ts';
import type { StorePaths } from './paths.ts';
import { syncDirectory } from './sync.ts';

/**
 * Work that was begun, on the disk: one file each, which is written before the work and removed when it ends in order, however it
 * ends. What is there when an agent starts is what the one before died of, or with.
 */

/** To fetch an image, to look at a stored one, to read all of it; to delete what is in the trash. */
export type Work = 'fetch' | 'look' | 'read' | 'delete';

const record = z.object({ name: z.string(), fingerprint: z.string(), deaths: z.int().min(1) });

/** How often an agent died at the same work, one time after the other. `fingerprint` tells it from other work at what has this name. */
export interface Deaths {
  fingerprint: string;
  deaths: number;
}

const directoryOf = ({ root }: StorePaths, work: Work) => join(root, work === 'fetch' ? 'begun' : `begun-${work}`);
const fileOf = (paths: StorePaths, work: Work, name: string) => join(directoryOf(paths, work), `${name}.json`);

/** Counts work at an image, or at what has this name in the trash, as what the agent dies of: on the disk when this resolves. */
export async function begin(
  paths: StorePaths,
  work: Work,
  name: string,
  { fingerprint, deaths }: Deaths,
): Promise<void> {
  await mkdir(directoryOf(paths, work), { recursive: true, mode: 0o700 });
  const path = fileOf(paths, work, name);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ name, fingerprint, deaths: deaths + 1 }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(directoryOf(paths, work));
}

/** Takes it back. */
export async function end(paths: StorePaths, work: Work, name: string): Promise<void> {
  await rm(fileOf(paths, work, name), { force: true });
}

/** What agents before this one died of, by name. Records that cannot be read are removed: a crash may leave such. */
export async function readDeaths(paths: StorePaths, work: Work): Promise<Map<string, Deaths>> {
  const found = new Map<string, Deaths>();
  for (const name of await namesIn(directoryOf(paths, work))) {
    const path = join(directoryOf(paths, work), name);
    try {
      const { name: of, fingerprint, deaths } = record.parse(JSON.parse(await readFile(path, 'utf8')));
      found.set(of, { fingerprint, deaths });
    } catch {
      await rm(path, { force: true, recursive: true });
    }
  }
  return found;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
