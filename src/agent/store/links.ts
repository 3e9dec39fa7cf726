import { linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { errorCode } from '../../system/errors.ts';
import { timeOf } from '../../system/walk.ts';
import type { Candidate } from './candidates.ts';
import { isWorthReading, sameContent } from './compare.ts';
import { contentKey } from './manifest.ts';
import type { NewFile } from './measure.ts';
import { pathBelow, unescaped } from './names.ts';

/**
 * What sharing does to many files, one call of the kernel after another. Each may wait for the disk as long as that likes, so a thread does it
 * (see `link-thread.ts`): thousands of calls that the event loop makes one by one would take ten times as long.
 */

/** Why one file cannot be shared, but the others can: it vanished, has too many names already, or cannot be read. */
const passedOver = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'EXDEV', 'EPERM', 'EIO']);

export interface LinkRequest {
  kind: 'link';
  /** The tree that is about to be published. */
  root: string;
  /** Directory of links. */
  links: string;
  files: { file: NewFile; candidates: Candidate[] }[];
}

/** A name in a tree that becomes another file: one of a directory of links. */
export interface Move {
  /** Relative to the tree, one character a byte. */
  name: string;
  link: string;
  /** What it saves on the disk. */
  diskBytes: number;
}

export interface RenameRequest {
  kind: 'rename';
  root: string;
  links: string;
  moves: Move[];
}

export interface RemoveRequest {
  kind: 'remove';
  links: string;
  names: string[];
}

export type Request = LinkRequest | RenameRequest | RemoveRequest;

/** For each file of `link`, its link, if it has one now; for each move of `rename` and name of `remove`, it, if it was there. */
export type Answer = (string | undefined)[];

export function serve(request: Request): Answer {
  switch (request.kind) {
    case 'link':
      return request.files.map(({ file, candidates }) => linkIdentical(request, file, candidates));
    case 'rename':
      return request.moves.map((move) => rename(request, move));
    case 'remove':
      return request.names.map((name) => remove(pathBelow(request.links, name), name));
  }
}

/**
 * Links the first of the candidates that really is the same into the directory of links, once for each name of the file. From then on it cannot
 * vanish, and it is known that it can have that many.
 */
function linkIdentical({ root, links }: LinkRequest, file: NewFile, candidates: Candidate[]): string | undefined {
  const path = pathBelow(root, unescaped(file.name));
  for (const candidate of candidates) {
    const link = linkOf(candidate, file, path, links);
    if (link !== undefined) return link;
  }
  return undefined;
}

function linkOf({ entry, name }: Candidate, file: NewFile, path: Buffer, links: string): string | undefined {
  const made: Buffer[] = [];
  const make = (from: Buffer, link: string) => {
    linkSync(from, pathBelow(links, link));
    made.push(pathBelow(links, link));
  };
  try {
    const published = pathBelow(`${entry}/root`, unescaped(name));
    const { ino, key, bytes, diskBytes } = look(published);
    if (key !== file.key || !isWorthReading(bytes, Math.min(diskBytes, file.diskBytes))) return undefined;
    const link = String(ino);
    // Two files of one image never become one: a container that copies them with their links would change both. So a link of this
    // name is there already when another file of the image has become this one.
    make(published, link);
    const own = pathBelow(links, link);
    const linked = look(own);
    if (linked.ino === ino && linked.key === key && sameContent(path, own)) {
      for (let more = 1; more < file.names; more++) make(own, `${link}.${more}`);
      return link;
    }
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' && !passedOver.has(errorCode(error))) throw error;
  }
  for (const it of made) rmSync(it);
  return undefined;
}

function look(path: Buffer) {
  const stat = lstatSync(path, { bigint: true });
  const { ino, mode, uid, gid, size, mtimeNs, blocks } = stat;
  const key = contentKey({
    type: stat.isFile() ? 'file' : 'dir',
    mode: (mode & 0o7777n).toString(8),
    uid: String(uid),
    gid: String(gid),
    bytes: Number(size),
    time: timeOf(mtimeNs),
  });
  return { ino, key, bytes: Number(size), diskBytes: Number(blocks) * 512 };
}

/** Moves a link into the tree, over what is there, unless the link has been removed. */
function rename({ root, links }: RenameRequest, { name, link }: Move): string | undefined {
  try {
    renameSync(pathBelow(links, link), pathBelow(root, name));
    return link;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' && !isThere(pathBelow(links, link))) return undefined;
    throw error;
  }
}

function remove(path: Buffer, name: string): string | undefined {
  if (!isThere(path)) return undefined;
  rmSync(path);
  return name;
}

const isThere = (path: Buffer): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
