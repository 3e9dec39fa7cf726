import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { begin, end, readDeaths } from './begun.ts';
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
  await removeCounted(paths, trashed, 0);
  // The directory of an operating system goes with its last version; it is not empty as long as there is another.
  await rmdir(dirname(entryPath(paths, image))).catch(() => undefined);
}

/** Something in the trash of which agents died when they deleted it, so that it waits. */
export interface Leftover {
  /** In the trash. */
  name: string;
  deaths: number;
}

/**
 * To be called once, when the agent starts: makes its directories, which are closed to other users of the node because images
 * hold setuid programs, and cleans up after an agent that was killed. What that one died of when it deleted it stays in the trash. Gives
 * where the store is; throws a PlaceError where none can be.
 */
export async function prepareStore(paths: StorePaths): Promise<Place> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 });
  const place = await findPlace(paths);
  for (const path of [paths.store, paths.staging, paths.trash]) await mkdir(path, { recursive: true, mode: 0o700 });
  const deaths = await readDeaths(paths, 'delete');
  for (const name of await readdir(paths.staging)) {
    const toTrash = () => rename(join(paths.staging, name), join(paths.trash, name));
    if (deaths.has(name)) await toTrash();
    else await removeCounted(paths, join(paths.staging, name), 0).catch(toTrash);
  }
  // What cannot be deleted now is reported, and tried again, by those that come after the start.
  await settleTrash(paths, (leftover) => leftover.deaths === 0);
  return place;
}

/**
 * Ends what a removal that failed, or an agent that was killed, has left. What was being deleted goes on being deleted, but a
 * whole image is put back: no one had made sure yet that no Pod uses it. Gives what is left because `isDue` says that it is not its
 * time yet, and why others could not be deleted. Not to be called during a removal.
 */
export async function settleTrash(
  paths: StorePaths,
  isDue: (leftover: Leftover) => boolean,
): Promise<{ waiting: Leftover[]; failures: unknown[] }> {
  const deaths = await readDeaths(paths, 'delete');
  const names = await readdir(paths.trash);
  const leftovers = names.map((name) => ({ name, deaths: deaths.get(name)?.deaths ?? 0 }));
  const [waiting, failures]: [Leftover[], unknown[]] = [[], []];
  // Those first that killed least, so that one that kills keeps no other.
  for (const leftover of leftovers.sort((a, b) => a.deaths - b.deaths)) {
    await settle(paths, leftover, isDue(leftover)).then(
      (settled) => settled || waiting.push(leftover),
      (error: unknown) => failures.push(error),
    );
  }
  for (const name of deaths.keys()) if (!names.includes(name)) await end(paths, 'delete', name);
  return { waiting, failures };
}

/** False when it has to wait. */
async function settle(paths: StorePaths, { name, deaths }: Leftover, isDue: boolean): Promise<boolean> {
  const trashed = join(paths.trash, name);
  const image = await readImageFile(trashed).catch(() => undefined);
  if (image && !(await exists(entryPath(paths, image)))) await putBack(paths, image, trashed);
  else if (isDue) await removeCounted(paths, trashed, deaths);
  else return false;
  return true;
}

/** Deletes a tree. The record counts it as what the agent dies of until the deletion ends. `deaths`: agents that it killed before. */
async function removeCounted(paths: StorePaths, tree: string, deaths: number): Promise<void> {
  const name = basename(tree);
  // On a full disk nothing is counted: what goes makes room.
  await begin(paths, 'delete', name, { fingerprint: '', deaths }).catch(() => undefined);
  await removeTree(tree).finally(() => end(paths, 'delete', name));
}
