import { lstat } from 'node:fs/promises';
import { FetchError } from '../failure.ts';
import { firstNames } from '../../system/files.ts';
import { walkInside } from '../../system/rooted-path.ts';

/** One entry on top of a root file system. */
export interface TopEntry {
  name: string;
  type: 'directory' | 'file' | 'link' | 'other';
  /** Where a link leads; unset when it leads to nothing in the image. */
  target?: Resolved;
  /** The link leads to where `usr/<name>` leads: what the link of a merged scaffold does. */
  likeMerged?: boolean;
}

/** A place in a tree to which no link leads any more. */
export interface Resolved {
  /** Without a slash in front. */
  path: string;
  type: 'directory' | 'file';
}

/** A link into them may lead to what only the running container has. */
const writable = new Set(['etc', 'var', 'tmp', 'run']);

/** A whole system has some twenty. */
const mostOnTop = 1000;

/** Lists the top of a tree, with where its links lead inside of it. Throws TooLarge for more names than a system has. */
export async function readTop(root: string): Promise<TopEntry[]> {
  const entries: TopEntry[] = [];
  // As bytes: a name that is no UTF-8 could not be found again by its text.
  const names = await firstNames(root, mostOnTop + 1);
  if (names.length > mostOnTop) throw tooMany();
  for (const bytes of names) {
    const path = Buffer.concat([Buffer.from(`${root}/`), bytes]);
    const name = bytes.toString();
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) entries.push({ name, type: 'link', ...(await follow(root, name)) });
    else entries.push({ name, type: stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other' });
  }
  // OSTree keeps what /etc begins as in /usr/etc, and makes /etc of it when a system is deployed.
  if (!entries.some(({ name }) => name === 'etc')) {
    const target = await resolveInContainer(root, 'usr/etc');
    if (target?.type === 'directory') entries.push({ name: 'etc', type: 'link', target });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function tooMany(): FetchError {
  const message = `The root file system has more than ${mostOnTop} names on top`;
  return new FetchError('TooLarge', `${message}; build it from inside of the root (tar -C root -c .)`);
}

async function follow(root: string, name: string): Promise<Pick<TopEntry, 'target' | 'likeMerged'>> {
  const [target, merged] = await Promise.all([resolveInContainer(root, name), resolveInContainer(root, `usr/${name}`)]);
  if (!target) return {};
  return { target, likeMerged: target.path === merged?.path };
}

/**
 * Where a path leads when the tree is the root, as for a process in the container: every link is followed, and `..` on top stays
 * on top. Undefined when there is nothing, unless it would be in a directory that containers can write to.
 */
export async function resolveInContainer(root: string, path: string): Promise<Resolved | undefined> {
  const look = (place: string) => lstat(place).catch(() => undefined);
  const end = await walkInside(root, path, { look, stops: (stat) => stat?.isDirectory() !== true, follow: true });
  if (!end) return undefined;
  const { place, stopped } = end;
  if (!stopped) return place.length === 0 ? undefined : { path: place.join('/'), type: 'directory' };
  if (!stopped.stat) return madeLater([...place, ...stopped.rest]);
  return stopped.stat.isFile() && stopped.rest.length === 0 ? { path: place.join('/'), type: 'file' } : undefined;
}

/** What is not in the image may be made by the running system, where it can write. */
function madeLater(path: readonly string[]): Resolved | undefined {
  const later = path.length > 1 && writable.has(path[0] ?? '') && !path.includes('..');
  return later ? { path: path.join('/'), type: 'directory' } : undefined;
}
