import { lstat } from 'node:fs/promises';
import type { Jail } from './jail.ts';
import { programOutput } from './programs.ts';

/** What mtree(5) calls the types of files. */
export type FileType = 'file' | 'dir' | 'link' | 'char' | 'block' | 'fifo' | 'socket';

/** What lstat says of one name. */
export interface Found {
  /** Relative to the directory that is walked, and '' for that itself; one character a byte. */
  path: string;
  type: FileType;
  /** Octal digits. */
  mode: string;
  uid: string;
  gid: string;
  bytes: number;
  /** Seconds since 1970, a point, and nanoseconds, as mtree(5) has them. */
  time: string;
  /** Bytes on the disk; holes take none. */
  diskBytes: number;
  inode: string;
  /** Names of the file, in this directory and elsewhere. */
  links: number;
  /** Of a link; one character a byte. */
  target: string;
}

export interface WalkOptions {
  signal: AbortSignal;
  /** Gets out of the way of all others. */
  idle?: boolean;
}

/** For a directory of 100,000 names or more `find` takes 55 MiB. */
const looking = (directory: string): Jail => ({ work: 'look', directory, memoryBytes: 96 * 1024 * 1024 });

const format = String.raw`%y %m %U %G %s %T@ %b %i %n\0%P\0%l\0`;
const types: Partial<Record<string, FileType>> = {
  f: 'file',
  d: 'dir',
  l: 'link',
  c: 'char',
  b: 'block',
  p: 'fifo',
  s: 'socket',
};

/**
 * All that is in a directory, and itself, without reading a file or following a link: some hundred at once, directories before what is
 * in them, as it comes. `find` does it: it reads directories of any size in pieces, so neither it nor this process needs more memory for
 * more files. Other file systems that are mounted there are passed over.
 */
export async function* walk(directory: string, { signal, idle = false }: WalkOptions): AsyncGenerator<Found[]> {
  const command = ['find', directory, '-xdev', '-printf', format];
  let rest = '';
  for await (const piece of programOutput(command, { signal, idle, jail: looking(directory) })) {
    const fields = (rest + piece).split('\0');
    const found: Found[] = [];
    let next = 0;
    for (; next + 3 < fields.length; next += 3) {
      found.push(parse(fields[next] ?? '', fields[next + 1] ?? '', fields[next + 2] ?? ''));
    }
    rest = fields.slice(next).join('\0');
    if (found.length > 0) yield found;
  }
}

/** The same of one regular file. Throws when it is something else. */
export async function lookAtFile(path: string): Promise<Found> {
  const stat = await lstat(path, { bigint: true });
  if (!stat.isFile()) throw new Error(`${path} is no regular file`);
  return {
    path: '',
    type: 'file',
    mode: (stat.mode & 0o7777n).toString(8),
    uid: String(stat.uid),
    gid: String(stat.gid),
    bytes: Number(stat.size),
    time: timeOf(stat.mtimeNs),
    diskBytes: Number(stat.blocks) * 512,
    inode: String(stat.ino),
    links: Number(stat.nlink),
    target: '',
  };
}

const second = 1_000_000_000n;

/** A time in nanoseconds since 1970, or before, as `Found` has it. */
export function timeOf(time: bigint): string {
  const nanoseconds = ((time % second) + second) % second;
  return `${(time - nanoseconds) / second}.${nanoseconds}`;
}

/** How many files and directories a directory holds; it stops soon after `most`. */
export async function countFiles(directory: string, most: number, signal: AbortSignal): Promise<number> {
  let count = 0;
  const command = ['find', directory, '-mindepth', '1', '-xdev', '-printf', '.'];
  try {
    for await (const piece of programOutput(command, { signal, jail: looking(directory) })) {
      count += piece.length;
      if (count > most) break;
    }
  } catch (error) {
    // It complains of what goes while it looks; what it has counted was there.
    if (signal.aborted) throw error;
  }
  return count;
}

function parse(facts: string, path: string, target: string): Found {
  const [type = '', mode = '', uid = '', gid = '', bytes, time = '', blocks, inode = '', links] = facts.split(' ');
  const point = time.indexOf('.');
  return {
    path,
    type: types[type] ?? 'file',
    mode,
    uid,
    gid,
    bytes: Number(bytes),
    time: `${time.slice(0, point)}.${Number(time.slice(point + 1, point + 10))}`,
    diskBytes: Number(blocks) * 512,
    inode,
    links: Number(links),
    target,
  };
}
