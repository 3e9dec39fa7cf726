import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, opendir, readFile, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from './errors.ts';

/**
 * Paths in a tree that somebody else has made. Links lead where they would in a system that has the tree as its root: an absolute one
 * begins at the root of the tree, and none leads out of it. Nothing else may write to the tree meanwhile.
 */

/** As many as the kernel follows. */
const mostLinks = 40;
const absent = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** What a walk asks of each place that it comes to. */
interface Question {
  /** What is there; undefined when nothing is. */
  look: (place: string) => Promise<Stats | undefined>;
  /** Whether the walk ends there. Links that are followed are not asked about. */
  stops: (stat: Stats | undefined) => boolean;
  /** Whether the last part is followed when it is a link; those before it always are. */
  follow: boolean;
}
interface WalkEnd {
  /** The parts of the place where the walk ended: no link is among those before the last. */
  place: readonly string[];
  /** What the question stopped at, and the parts of the path after it; unset when the walk came to the end of the path. */
  stopped?: { stat: Stats | undefined; rest: readonly string[] };
}

/** The one walk along a path of the tree; undefined when it leads through more than 40 links. `..` at the top stays at the top. */
export async function walkInside(root: string, path: string, question: Question): Promise<WalkEnd | undefined> {
  const rest = parts(path);
  const place: string[] = [];
  let links = 0;
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    if (part === '..') {
      place.pop();
      continue;
    }
    const here = join(root, ...place, part);
    const stat = await question.look(here);
    if (stat?.isSymbolicLink() === true && (question.follow || rest.length > 0)) {
      if (++links > mostLinks) return undefined;
      const target = await readlink(here);
      if (target.startsWith('/')) place.length = 0;
      rest.unshift(...parts(target));
      continue;
    }
    place.push(part);
    if (question.stops(stat)) return { place, stopped: { stat, rest } };
  }
  return { place };
}

const parts = (path: string) => path.split('/').filter((part) => part !== '' && part !== '.');

async function orAbsent<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (absent.has(errorCode(error))) return undefined;
    throw error;
  }
}

const lookAt = (place: string) => orAbsent(lstat(place));

/**
 * Where a path of the tree at `root` really is. Links on the way are followed inside of the tree; the last part is not followed unless
 * asked for, and need not exist. Throws when it leads through more than 40 links.
 */
export async function resolveInside(root: string, path: string, { follow = false } = {}): Promise<string> {
  const end = await walkInside(root, path, { look: lookAt, stops: () => false, follow });
  if (!end) throw new Error(`${path} leads through more than ${mostLinks} links`);
  return join(root, ...end.place);
}

/** Where a path of the tree leads, with all links followed; undefined when nothing is there. */
export async function findInside(root: string, path: string): Promise<string | undefined> {
  const end = await walkInside(root, path, { look: lookAt, stops: (stat) => !stat, follow: true });
  return !end || end.stopped ? undefined : join(root, ...end.place);
}

/** A regular file of the tree, open for reading; undefined when there is none. The caller closes it. */
export async function openInside(root: string, path: string): Promise<FileHandle | undefined> {
  const found = await findInside(root, path);
  if (found === undefined) return undefined;
  // A pipe would be waited for.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await orAbsent(open(found, flags));
  if (!file || (await file.stat()).isFile()) return file;
  await file.close();
  return undefined;
}

/** Up to so many names in a directory of the tree, sorted; none when there is no such directory. */
export async function namesInside(root: string, path: string, most: number): Promise<string[]> {
  const found = await findInside(root, path);
  const directory = found === undefined ? undefined : await orAbsent(opendir(found));
  const names: string[] = [];
  if (!directory) return names;
  // Whoever stops reading closes it.
  for await (const { name } of directory) {
    names.push(name);
    if (names.length >= most) break;
  }
  return names.sort();
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
