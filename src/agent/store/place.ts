import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode } from '../../system/errors.ts';
import type { StorePaths } from './paths.ts';

/** Which directory of which file system the agent works in. Another file system that is mounted over it makes it another place. */
export interface Place {
  device: number;
  inode: number;
}

/** The store is where this agent must not work, or no longer. `message` says what is wrong and what to do. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError';
}

/**
 * The place of a store in which images can be moved and files be linked: all of it is one file system, without a mount inside.
 * Throws a PlaceError otherwise.
 */
export async function findPlace(paths: StorePaths): Promise<Place> {
  for (const path of [paths.store, paths.staging, paths.trash]) {
    if (!(await isLink(path))) continue;
    const message = `${path} is a link, which leads elsewhere in the container of the agent`;
    throw new PlaceError(`${message}; put a directory there, or make ${paths.root} itself the link`);
  }
  await expectNoMountInside(paths);
  return placeOf(paths.root);
}

/** Throws a PlaceError when a store is no longer where it was found. */
export async function checkPlace(paths: StorePaths, before: Place): Promise<void> {
  const { device, inode } = await placeOf(paths.root);
  if (device !== before.device || inode !== before.inode) {
    const message = `Another file system was mounted at ${paths.root}, or was unmounted there, while the agent ran`;
    throw new PlaceError(
      `${message}; it starts again with what is there now. What it stored before is below the mount: unmount, empty the directory, and mount again`,
    );
  }
  await expectNoMountInside(paths);
}

async function placeOf(root: string): Promise<Place> {
  const { dev, ino } = await stat(root);
  return { device: dev, inode: ino };
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Nothing can be moved into a mount or out of it, and what is mounted there hides what is in the store. */
async function expectNoMountInside({ root, store, staging, trash }: StorePaths): Promise<void> {
  const real = await realpath(root);
  const directories = [store, staging, trash].map((it) => join(real, basename(it)));
  const points = mountPoints(await readFile('/proc/self/mountinfo', 'utf8'));
  const inside = points.find((point) => directories.some((it) => point === it || point.startsWith(`${it}/`)));
  if (inside === undefined) return;
  const message = `Something is mounted at ${inside}, inside ${root}, and no image can be moved there`;
  throw new PlaceError(`${message}; unmount it, and mount one file system at ${root}, with all of the store`);
}

/** The mount points in the text of /proc/self/mountinfo, where blanks are octal numbers. */
export function mountPoints(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const escaped = line.split(' ')[4];
    if (escaped === undefined) return [];
    return escaped.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(parseInt(digits, 8)));
  });
}
