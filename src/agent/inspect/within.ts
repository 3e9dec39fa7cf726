import { constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** As many as the kernel follows. */
const mostLinks = 40;
const absent = new Set<string | undefined>(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/**
 * Where a path of an image leads, with links followed as a container of it would: an absolute one begins at the root of the image,
 * and none leads out of it. Undefined when nothing is there.
 */
export async function resolveWithin(root: string, path: string): Promise<string | undefined> {
  const pending = path.split('/');
  let [at, links]: [string[], number] = [[], 0];
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const here = join(root, ...at, part);
    const stat = await orAbsent(lstat(here));
    if (!stat) return undefined;
    if (!stat.isSymbolicLink()) {
      at.push(part);
      continue;
    }
    if (++links > mostLinks) return undefined;
    const target = await readlink(here);
    if (target.startsWith('/')) at = [];
    pending.unshift(...target.split('/'));
  }
  return join(root, ...at);
}

/** A regular file of an image, open for reading; undefined when there is none. The caller closes it. */
export async function openWithin(root: string, path: string): Promise<FileHandle | undefined> {
  const found = await resolveWithin(root, path);
  if (found === undefined) return undefined;
  // A pipe would be waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await orAbsent(open(found, flags));
  if (!file || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** Names in a directory of an image, sorted; none when there is no such directory. */
export async function namesWithin(root: string, path: string): Promise<string[]> {
  const found = await resolveWithin(root, path);
  return found === undefined ? [] : ((await orAbsent(readdir(found))) ?? []).sort();
}

async function orAbsent<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.has(error.code as string)) return undefined;
    throw error;
  }
}
