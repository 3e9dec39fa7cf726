import { linkSync, lstatSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../system/errors.ts';
import { listAttributes } from './attributes.ts';
import { withCandidates } from './candidates.ts';
import type { Candidate } from './candidates.ts';
import { isWorthReading, sameContent } from './compare.ts';
import { keyOf } from './manifest.ts';
import type { NewFile, Survey } from './measure.ts';
import { pathBelow, unescaped } from './names.ts';
import { replaceFiles } from './replace.ts';
import type { Move } from './replace.ts';
import { Sorter } from './sorter.ts';
import { Turns } from './turns.ts';

/** Why one file cannot be shared, but the others can: it vanished, has too many names already, or cannot be read. */
const passedOver = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'EXDEV', 'EPERM', 'EIO']);

export interface SharePorts {
  /** The tree that is about to be published, and what a look at it found. */
  root: string;
  survey: Survey;
  /** Its files that have attributes: lines of a sorted list, see `listAttributes`. */
  attributes: () => AsyncGenerator<string>;
  /** Published entries, those first with which there is most in common. */
  entries: readonly string[];
  /** A directory, not there yet, on the same file system. */
  work: string;
  signal: AbortSignal;
}

/**
 * Replaces files of a new, unpublished tree by hard links to files of published entries with the same content, owner, group,
 * mode, size and time of last change (ns), and gives the bytes on disk that this saves. All else of the tree stays as it is:
 * files with extended attributes or ACLs are left out, two files never become one, those with several names keep them, and
 * directories keep their times. Nothing published is changed and nothing is believed: every byte is compared. An entry may
 * vanish meanwhile. Its memory does not grow with the number of files; aborting stops it in the middle, with a tree of no use.
 */
export async function shareFiles(ports: SharePorts): Promise<number> {
  const { root, survey, attributes, work, signal } = ports;
  const links = join(work, 'links');
  await mkdir(links, { recursive: true, mode: 0o700 });
  const options = { scratch: work, signal };
  const matches = new Sorter(options);
  const several = new Sorter(options);
  let bytes = 0;
  try {
    await linkIdentical(ports, links, matches);
    await dropSpecial(links, signal);
    async function* moves(): AsyncGenerator<Move> {
      for await (const { name, link, names, inode, diskBytes } of without(attributes(), readMatches(matches))) {
        if (!isThere(pathBelow(links, link))) continue;
        bytes += diskBytes;
        if (names === 1) yield { name: unescaped(name), link };
        else several.add(`${inode}\t${link}`);
        await several.settle();
      }
      yield* movesOfNames(survey, several);
    }
    await replaceFiles(root, moves(), { links, work, signal });
    return bytes;
  } finally {
    await matches.close();
    await several.close();
  }
}

interface Match {
  name: string;
  /** Its link in the directory of links; of further names of the file the links have a number at the end. */
  link: string;
  names: number;
  inode: string;
  diskBytes: number;
}

/**
 * Links, for each file that has one, a published file that really is the same into a directory of our own, once for each of its names. From then
 * on it cannot vanish, and it is known that it can have that many.
 */
async function linkIdentical(ports: SharePorts, links: string, matches: Sorter): Promise<void> {
  const { root, survey, entries, work, signal } = ports;
  const turns = new Turns(signal);
  const found = withCandidates(() => survey.files(), entries, { scratch: work, signal });
  for await (const { file, candidates } of found) {
    await turns.next();
    const path = pathBelow(root, unescaped(file.name));
    for (const candidate of candidates) {
      const link = await linkOf(candidate, file, path, links, turns);
      if (link === undefined) continue;
      const { name, names, inode, diskBytes } = file;
      matches.add([name, link, names, inode, diskBytes].join('\t'));
      await matches.settle();
      break;
    }
  }
}

async function linkOf(
  { entry, name }: Candidate,
  file: NewFile,
  path: Buffer,
  links: string,
  turns: Turns,
): Promise<string | undefined> {
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
    if (linked.ino === ino && linked.key === key && (await sameContent(path, own, turns))) {
      for (let more = 1; more < file.names; more++) {
        make(own, `${link}.${more}`);
        await turns.next();
      }
      return link;
    }
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' && !passedOver.has(errorCode(error))) throw error;
  }
  for (const it of made) {
    rmSync(it);
    await turns.next();
  }
  return undefined;
}

function look(path: Buffer) {
  const stat = lstatSync(path, { bigint: true });
  const { ino, mode, uid, gid, size, mtimeNs, blocks } = stat;
  const nanoseconds = ((mtimeNs % second) + second) % second;
  const key = keyOf({
    type: stat.isFile() ? 'file' : 'dir',
    mode: (mode & 0o7777n).toString(8),
    uid: String(uid),
    gid: String(gid),
    bytes: Number(size),
    time: `${(mtimeNs - nanoseconds) / second}.${nanoseconds}`,
  });
  return { ino, key, bytes: Number(size), diskBytes: Number(blocks) * 512 };
}

const second = 1_000_000_000n;

/** Removes the links of files that have attributes: nothing else tells those of a file. */
async function dropSpecial(links: string, signal: AbortSignal): Promise<void> {
  for await (const line of listAttributes(links, ['.'], { signal })) {
    rmSync(join(links, line.slice(0, line.indexOf(' '))), { force: true });
  }
}

async function* readMatches(matches: Sorter): AsyncGenerator<Match> {
  for await (const line of matches.sorted()) {
    const [name = '', link = '', names, inode = '', diskBytes] = line.split('\t');
    yield { name, link, names: Number(names), inode, diskBytes: Number(diskBytes) };
  }
}

/** Those that have no attributes. Both lists are sorted by name. */
async function* without(attributes: AsyncGenerator<string>, matches: AsyncGenerator<Match>): AsyncGenerator<Match> {
  try {
    let special = await nextName(attributes);
    for await (const match of matches) {
      while (special !== undefined && special < match.name) special = await nextName(attributes);
      if (special !== match.name) yield match;
    }
  } finally {
    await attributes.return(undefined);
  }
}

const tree = 'root';
const ofTree = `./${tree}/`;

/** The next file in the tree that has an attribute; undefined at the end. */
async function nextName(attributes: AsyncGenerator<string>): Promise<string | undefined> {
  for (;;) {
    const line = await attributes.next();
    if (line.done === true) return undefined;
    if (line.value.startsWith(ofTree)) return line.value.slice(ofTree.length, line.value.indexOf(' '));
  }
}

/** Every name of the files that have several and are shared. Both lists are sorted by the inode in the new tree. */
async function* movesOfNames(survey: Survey, several: Sorter): AsyncGenerator<Move> {
  const names = survey.names();
  try {
    let name = await names.next();
    for await (const line of several.sorted()) {
      const [inode = '', link = ''] = line.split('\t');
      while (name.done !== true && name.value.inode < inode) name = await names.next();
      for (let number = 0; name.done !== true && name.value.inode === inode; number++) {
        yield { name: unescaped(name.value.name), link: number === 0 ? link : `${link}.${number}` };
        name = await names.next();
      }
    }
  } finally {
    await names.return(undefined);
  }
}

function isThere(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
