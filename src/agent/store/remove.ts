import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readImageFile } from './image-file.ts';
import { entryPath } from './paths.ts';
import type { ImageName } from '../../api/images.ts';
import type { StorePaths } from './paths.ts';
import { findPlace } from './place.ts';
import type { Place } from './place.ts';
import { exists } from './commit.ts';
import { syncDirectory } from './sync.ts';
import { removeTree } from '../../system/files.ts';

/** Takes an image out of the store in one step and gives the place from which it can be put back. */
export async function moveToTrash(paths: StorePaths, image: ImageName, id: string): Promise<string> {
  const entry = entryPath(paths, image);
  const trashed = join(paths.trash, `${image.os}.${image.version}.${id}`);
  await rename(entry, trashed);
  await syncDirectory(dirname(entry));
  return trashed;
}

/** Undoes {@link moveToTrash}. */
export async function putBack(paths: StorePaths, image: ImageName, trashed: string): Promise<void> {
  const entry = entryPath(paths, image);
  await mkdir(dirname(entry), { recursive: true, mode: 0o700 });
  await rename(trashed, entry);
  await syncDirectory(dirname(entry));
  await syncDirectory(paths.store);
}

/** Deletes what {@link moveToTrash} moved: first the image.json, so that what still has one is known to be whole. */
export async function deleteTrashed(paths: StorePaths, image: ImageName, trashed: string): Promise<void> {
  await rm(join(trashed, 'image.json'), { force: true });
  await syncDirectory(trashed);
  await removeTree(trashed);
  // The directory of an operating system goes with its last version; it is not empty as long as there is another.
  await rmdir(dirname(entryPath(paths, image))).catch(() => undefined);
}

/**
 * To be called once, when the agent starts: makes its directories, which are closed to other users of the node because images
 * hold setuid programs, and cleans up after an agent that was killed. Gives where that is; throws a PlaceError where no store can be.
 */
export async function prepareStore(paths: StorePaths): Promise<Place> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 });
  const place = await findPlace(paths);
  for (const path of [paths.store, paths.staging, paths.trash]) await mkdir(path, { recursive: true, mode: 0o700 });
  for (const name of await readdir(paths.staging)) await removeTree(join(paths.staging, name));
  await settleTrash(paths);
  return place;
}

/**
 * Ends what a removal that failed, or an agent that was killed, has left. What was being deleted goes on being deleted, but a
 * whole image is put back: no one had made sure yet that no Pod uses it. Not to be called during a removal.
 */
export async function settleTrash(paths: StorePaths): Promise<void> {
  for (const name of await readdir(paths.trash)) {
    const trashed = join(paths.trash, name);
    const image = await readImageFile(trashed).catch(() => undefined);
    if (image && !(await exists(entryPath(paths, image)))) await putBack(paths, image, trashed);
    else await removeTree(trashed);
  }
}
