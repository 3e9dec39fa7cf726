import { lstat, readdir, readlink } from 'node:fs/promises';
import type { Layout } from '../../api/osimage.ts';
import { FetchError } from '../failure.ts';

/** One entry on top of a root file system. */
export interface TopEntry {
  name: string;
  type: 'directory' | 'link' | 'other';
  /** Where a link leads. */
  target?: string;
}

/** Filled by the kernel and the container runtime, whatever the image has there. */
const ofTheRuntime = new Set(['dev', 'proc', 'sys']);
/** Links into /usr that the scaffold of a merged image has too. */
const scaffoldLinks = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']);
/** At most this many are listed in a status. */
const most = 128;

/** Lists the top of a tree; no link is followed. */
export async function readTop(root: string): Promise<TopEntry[]> {
  const entries: TopEntry[] = [];
  // As bytes: a name that is no UTF-8 could not be found again by its text.
  for (const bytes of await readdir(root, { encoding: 'buffer' })) {
    const path = Buffer.concat([Buffer.from(`${root}/`), bytes]);
    const name = bytes.toString();
    const stat = await lstat(path);
    if (stat.isSymbolicLink()) entries.push({ name, type: 'link', target: await readlink(path) });
    else entries.push({ name, type: stat.isDirectory() ? 'directory' : 'other' });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The shape of a root file system. Throws NoRootFileSystem when it is none that a container could use. */
export function detectLayout(top: readonly TopEntry[]): Layout {
  const isDirectory = (name: string) => top.some((it) => it.name === name && it.type === 'directory');
  const leadsToUsr = ({ name, target = '' }: TopEntry) => scaffoldLinks.has(name) && trimmed(target) === `usr/${name}`;
  const merged = top.some((it) => it.name === 'bin' && leadsToUsr(it));
  if (!['usr', 'bin', 'etc'].some(isDirectory)) {
    const found = top.slice(0, 8).map(({ name }) => name);
    throw new FetchError(
      'NoRootFileSystem',
      `The archive holds no root file system: its top has no directory usr, bin or etc but ${found.join(', ') || 'nothing'}; ` +
        `build it from inside of the root (tar -C root -c .)`,
    );
  }
  if (!merged && !isDirectory('bin')) {
    throw new FetchError(
      'NoRootFileSystem',
      'The root file system has no bin, neither a directory nor a link to usr/bin; build it from a whole system',
    );
  }
  const usable = ({ name, type }: TopEntry) =>
    type === 'directory' && /^[A-Za-z0-9_.-]+$/.test(name) && name !== '.monoroot';
  const directories = top.filter((it) => usable(it) && !ofTheRuntime.has(it.name));
  const ignored = top.filter((it) => !usable(it) && !(merged && leadsToUsr(it)));
  if (directories.length > most) {
    const message = `The root file system has ${directories.length} top-level directories; at most ${most} can be mounted`;
    throw new FetchError('TooLarge', message);
  }
  return {
    kind: merged ? 'merged' : 'split',
    directories: directories.map(({ name }) => name),
    ...(ignored.length > 0 && { ignored: ignored.slice(0, most).map(({ name }) => name) }),
  };
}

const trimmed = (target: string) => target.replace(/^\/+|\/+$/g, '');
