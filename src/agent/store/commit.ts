import { lstat, mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../../system/errors.ts';
import { writeImageFile } from './image-file.ts';
import type { ImageFile } from './image-file.ts';
import { entryPath } from './paths.ts';
import type { StorePaths } from './paths.ts';
import { syncDirectory, syncFileSystem } from './sync.ts';

/**
 * Makes the finished directory `prepared` (with `root/` and perhaps `mount.sh`) the store's entry for `image`, in one step. `describe`
 * adds what describes it. All of it is on the disk before, and the step itself when this resolves. Throws when the store already has such an entry.
 */
export async function publish(
  paths: StorePaths,
  prepared: string,
  image: ImageFile,
  signal: AbortSignal,
  describe: (entry: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const target = entryPath(paths, image);
  await writeImageFile(prepared, image);
  await describe(prepared);
  await syncFileSystem(prepared, signal);
  await syncDirectory(prepared);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  // rename() would replace an empty directory; this agent alone works on the store, so nothing can come in between.
  if (await exists(target)) throw new Error(`${target} exists already`);
  signal.throwIfAborted();
  await rename(prepared, target);
  await syncDirectory(dirname(target));
  await syncDirectory(paths.store);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
