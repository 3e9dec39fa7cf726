import { linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { errorCode } from '../failure.ts';
import { runProgram } from '../program.ts';
import { together } from '../together.ts';
import { sameContent } from './compare.ts';
import { keyOf, parseFile, readManifest, withAttributes } from './manifest.ts';
import { bytesOnDisk, pathBelow } from './measure.ts';
import type { OnFile } from './measure.ts';

/** More files than this are not looked at, so that no archive can make the agent take much memory. */
const mostFiles = 100_000;
/** Published files that are tried for one new file: with times that a build has set all alike, many look the same. */
const mostCandidates = 4;
/** Why one file cannot be shared, but the others can: it vanished, has too many names already, or cannot be read. */
const passedOver = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'EXDEV', 'EPERM', 'EIO']);

const timesOnly = ['--numeric-owner', '--no-acls', '--no-xattrs', '--no-fflags'];

/** One file of a new tree under all of its names. Paths are relative to the tree, or absolute; one character a byte. */
interface NewFile {
  names: string[];
  key: string;
  bytes: number;
  /** Published files that look the same. */
  candidates: string[];
}

/** The files of a tree that is about to be published, by what can be seen of them without reading them. */
export class NewFiles {
  readonly #byKey = new Map<string, NewFile[]>();
  readonly #byInode = new Map<bigint, NewFile>();

  /** To be told of every regular file. */
  readonly add: OnFile = (path, stat) => {
    const known = this.#byInode.get(stat.ino);
    if (known) known.names.push(path);
    // An empty file takes no space.
    if (known || stat.size === 0n || this.#byInode.size >= mostFiles) return;
    const file: NewFile = { names: [path], key: keyOf(stat), bytes: bytesOnDisk(stat), candidates: [] };
    this.#byInode.set(stat.ino, file);
    this.#byKey.set(file.key, [...this.alike(file.key), file]);
  };

  alike(key: string): readonly NewFile[] {
    return this.#byKey.get(key) ?? [];
  }

  /** Those for which there are published files that look the same. */
  get promising(): NewFile[] {
    return [...this.#byInode.values()].filter(({ candidates }) => candidates.length > 0);
  }
}

/**
 * Replaces files of a new, unpublished tree by hard links to files of published entries with the same content, owner, group,
 * mode, size and time of last change (ns), and gives the bytes on disk that this saves. All else of the tree stays as it is:
 * files with extended attributes or ACLs are left out, two files never become one, those with several names keep them, and
 * directories keep their times. Nothing published is changed and nothing is believed: every byte is compared. An entry may
 * vanish meanwhile. `work` is a directory, not there yet, on the same file system.
 */
export async function shareFiles(
  root: string,
  files: NewFiles,
  entries: readonly string[],
  work: string,
  signal: AbortSignal,
): Promise<number> {
  for (const entry of entries) await findCandidates(files, entry);
  signal.throwIfAborted();
  const { promising } = files;
  if (promising.length === 0) return 0;

  const links = join(work, 'links');
  await mkdir(links, { recursive: true, mode: 0o700 });
  const [special, linked] = await together(withAttributes(root, signal), linkIdentical(root, promising, links, signal));
  const specialLinks = await withAttributes(links, signal);
  const plain = linked.filter(({ link, file }) => !specialLinks.has(link) && !file.names.some((it) => special.has(it)));
  await keepingTimes(root, plain, work, signal, () => replace(root, plain, links));
  rmSync(work, { recursive: true });
  return plain.reduce((sum, { file }) => sum + file.bytes, 0);
}

/** A file of the same name is looked at first. */
async function findCandidates(files: NewFiles, entry: string): Promise<void> {
  const prefix = 'root/';
  try {
    for await (const line of readManifest(entry)) {
      const published = parseFile(line);
      if (!published?.path.startsWith(prefix)) continue;
      const path = `${entry}/${published.path}`;
      for (const { names, candidates } of files.alike(published.key)) {
        if (names.includes(published.path.slice(prefix.length))) candidates.unshift(path);
        else if (candidates.length < mostCandidates) candidates.push(path);
        candidates.splice(mostCandidates);
      }
    }
  } catch (error) {
    if (!passedOver.has(errorCode(error))) throw error;
  }
}

interface Linked {
  file: NewFile;
  /** Name of the link in the directory of links. */
  link: string;
}

/**
 * Links, for each file that has one, a published file that really is the same into a directory of our own. From then on it
 * cannot vanish, whatever becomes of its entry.
 */
async function linkIdentical(
  root: string,
  files: readonly NewFile[],
  links: string,
  signal: AbortSignal,
): Promise<Linked[]> {
  const linked: Linked[] = [];
  const used = new Set<bigint>();
  for (const [index, file] of files.entries()) {
    if (index % 64 === 0) await setImmediate(undefined, { signal });
    const link = String(linked.length);
    const path = pathBelow(links, link);
    for (const candidate of file.candidates) {
      try {
        linkSync(Buffer.from(candidate, 'latin1'), path);
      } catch (error) {
        if (passedOver.has(errorCode(error))) continue;
        throw error;
      }
      const stat = lstatSync(path, { bigint: true });
      // Two files of one image never become one: a container that copies them with their links would change both.
      const fits = stat.isFile() && keyOf(stat) === file.key && !used.has(stat.ino);
      if (fits && (await isSame(pathBelow(root, file.names[0] ?? ''), path))) {
        used.add(stat.ino);
        linked.push({ file, link });
        break;
      }
      rmSync(path);
    }
  }
  return linked;
}

async function isSame(path: Buffer, other: Buffer): Promise<boolean> {
  try {
    return await sameContent(path, other);
  } catch (error) {
    if (passedOver.has(errorCode(error))) return false;
    throw error;
  }
}

async function replace(root: string, linked: readonly Linked[], links: string): Promise<void> {
  for (const [index, { file, link }] of linked.entries()) {
    const path = pathBelow(links, link);
    for (const name of file.names.slice(1)) {
      const another = pathBelow(links, 'another');
      linkSync(path, another);
      renameSync(another, pathBelow(root, name));
    }
    renameSync(path, pathBelow(root, file.names[0] ?? ''));
    if (index % 64 === 0) await setImmediate();
  }
}

/**
 * Restores the times of the directories that hold the files after a change. bsdtar does it, as Node.js sets no nanoseconds;
 * in a chroot, so that no link in the tree can lead out of it.
 */
async function keepingTimes(
  root: string,
  linked: readonly Linked[],
  work: string,
  signal: AbortSignal,
  change: () => Promise<void>,
): Promise<void> {
  const directories = new Set(linked.flatMap(({ file }) => file.names.map((name) => `./${dirname(name)}\0`)));
  const list = Buffer.from([...directories].join(''), 'latin1');
  const saved = join(work, 'directories');
  const save = ['-c', '-f', saved, '--format=pax', ...timesOnly, '--null', '-n', '-C', root, '-T', '-'];
  await runProgram('bsdtar', save, { input: list, signal });
  await change();
  const archive = await open(saved, 'r');
  try {
    const restore = ['-x', '-p', '-f', '-', ...timesOnly, '--chroot', '-C', root];
    await runProgram('bsdtar', restore, { input: archive.fd, signal });
  } finally {
    await archive.close();
  }
}
