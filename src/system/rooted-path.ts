import { lstat, mkdir, readFile, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './errors.ts';

/** Links in a tree lead where they would in a system that has the tree as its root: never out of it. */

const mostLinks = 40;

/**
 * Where an absolute path of the tree at `root` really is. Links on the way are followed inside of the tree; the last part is not
 * followed unless asked for, and need not exist. Nothing else may write to the tree meanwhile.
 */
export async function resolveInside(root: string, path: string, { follow = false } = {}): Promise<string> {
  const todo = parts(path);
  const done: string[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = join(root, ...done, part);
    const target = todo.length > 0 || follow ? await linkTarget(here) : undefined;
    if (target === undefined) {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > mostLinks) throw new Error(`${path} leads through more than ${mostLinks} links`);
    if (target.startsWith('/')) done.length = 0;
    todo.unshift(...parts(target));
  }
  return join(root, ...done);
}

const parts = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.');

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
    throw error;
  }
}

/** The directory of this path in the tree, made with all above it where it is not there. */
export async function directoryInside(root: string, path: string): Promise<string> {
  const directory = await resolveInside(root, path, { follow: true });
  await mkdir(directory, { recursive: true, mode: 0o755 });
  return directory;
}

/** The place of a file in the tree, whose directory is made when it is not there. */
export async function placeInside(root: string, path: string): Promise<string> {
  return join(await directoryInside(root, dirname(path)), basename(path));
}

/** The text of a file of the tree; undefined when it has none. */
export async function readInside(root: string, path: string): Promise<string | undefined> {
  const place = await resolveInside(root, path, { follow: true });
  const stat = await lstat(place).catch(() => undefined);
  // A pipe would be waited for.
  return stat?.isFile() ? readFile(place, 'utf8') : undefined;
}

/** Whether the tree has this program. */
export async function hasProgram(root: string, path: string): Promise<boolean> {
  const stat = await lstat(await resolveInside(root, path, { follow: true })).catch(() => undefined);
  return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
}
