import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { WantedImage } from '../../api/nodestore.ts';
import { errorCode } from '../../system/errors.ts';
import { imageName } from '../../api/images.ts';
import type { ImageName } from '../../api/images.ts';
import type { StorePaths } from '../store/paths.ts';
import { syncDirectory } from '../store/sync.ts';

/**
 * Fetches that were begun, on the disk: one file each, which is written before a fetch and removed when it ends in order, however
 * it ends. What is there when an agent starts is what the one before died of, or with.
 */

const record = z.object({ os: z.string(), version: z.string(), fingerprint: z.string(), deaths: z.int().min(1) });

/** How often an agent died while it fetched an image, one time after the other. */
export interface Deaths {
  fingerprint: string;
  deaths: number;
}

const directoryOf = ({ root }: StorePaths) => join(root, 'begun');
const fileOf = (paths: StorePaths, { os, version }: ImageName) => join(directoryOf(paths), `${os}.${version}.json`);

/** Counts a fetch as one that the agent dies of, which is on the disk when this resolves. */
export async function begin(
  paths: StorePaths,
  { os, version }: WantedImage,
  { fingerprint, deaths }: Deaths,
): Promise<void> {
  await mkdir(directoryOf(paths), { recursive: true, mode: 0o700 });
  const path = fileOf(paths, { os, version });
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify({ os, version, fingerprint, deaths: deaths + 1 }));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(directoryOf(paths));
}

/** Takes it back. */
export async function end(paths: StorePaths, image: ImageName): Promise<void> {
  await rm(fileOf(paths, image), { force: true });
}

/** What agents before this one died of, by image. Records that cannot be read are removed: a crash may leave such. */
export async function readDeaths(paths: StorePaths): Promise<Map<string, Deaths>> {
  const found = new Map<string, Deaths>();
  for (const name of await namesIn(directoryOf(paths))) {
    const path = join(directoryOf(paths), name);
    try {
      const { fingerprint, deaths, ...image } = record.parse(JSON.parse(await readFile(path, 'utf8')));
      found.set(imageName(image), { fingerprint, deaths });
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
