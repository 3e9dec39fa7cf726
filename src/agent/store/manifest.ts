import { createReadStream, createWriteStream, lstatSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { linesOf } from '../../runtime/lines.ts';
import { attributesName } from './attributes.ts';
import { escaped, pathBelow, unescaped } from './names.ts';
import { Sorter } from './sorter.ts';
import type { SorterOptions } from './sorter.ts';
import type { Found } from '../../system/walk.ts';

/**
 * What an entry of the store holds, as it was when it was published: beside `root/`, one line of mtree(5) for each file in
 * it and beside it, with times in nanoseconds and names in plain ASCII, sorted by name.
 */
export const manifestName = 'manifest';
export const newManifestName = 'manifest.new';
/** What a manifest does not describe. */
export const ownFiles: readonly string[] = [manifestName, attributesName, newManifestName];

const first = '#mtree';
const isSorted = '# sorted';
const hasSha256 = '# sha256';
const digest = ' sha256digest=';

/**
 * What a manifest says of a file: its line. `name` is its name in the entry, one character a byte. Of devices, and only of them, the
 * number is looked up in the directory that was walked.
 */
export const lineOf = (name: string, found: Found, directory: string): string =>
  `./${escaped(name)} ${factsOf(directory, found)}`;

function factsOf(directory: string, found: Found): string {
  switch (found.type) {
    case 'file':
      return contentKey(found);
    case 'link':
      return `${commonFacts(found)} link=${escaped(found.target)}`;
    case 'char':
    case 'block':
      return `${commonFacts(found)} device=${deviceOf(directory, found.path)}`;
    case 'dir':
    case 'fifo':
    case 'socket':
      return commonFacts(found);
  }
}

/** All that a manifest says of a regular file but its name and content. */
export const contentKey = (found: Omit<Found, 'path' | 'target' | 'inode' | 'links' | 'diskBytes'>): string =>
  `${commonFacts(found)} size=${found.bytes}`;

const commonFacts = ({ time, mode, gid, uid, type }: Pick<Found, 'time' | 'mode' | 'gid' | 'uid' | 'type'>) =>
  `time=${time} mode=${mode} gid=${gid} uid=${uid} type=${type}`;

/** The number of a device as the kernel packs it for programs. */
function deviceOf(directory: string, path: string): string {
  const device = lstatSync(pathBelow(directory, path), { bigint: true }).rdev;
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `native,${major},${minor}`;
}

/** Adds the digest of its content to the line of a file. */
export const withDigest = (line: string, sha256: string): string => `${line}${digest}${sha256}`;
export const withoutDigest = (line: string): string => line.replace(/ sha256digest=\S+/, '');
export const nameOf = (line: string): string => line.slice(0, line.indexOf(' '));

/** Writes a manifest, which is on the disk when the file system is synced. The lines must be sorted. */
export async function writeManifest(path: string, lines: AsyncIterable<string>, digests: boolean): Promise<void> {
  await writeLines(path, prefixed([first, isSorted, ...(digests ? [hasSha256] : [])], lines));
}

export async function writeLines(path: string, lines: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(pieces(lines)), createWriteStream(path, { flags: 'wx', mode: 0o600 }));
}

async function* prefixed(head: readonly string[], lines: AsyncIterable<string>): AsyncGenerator<string> {
  yield* head;
  yield* lines;
}

const pieceCharacters = 65_536;

async function* pieces(lines: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let piece = '';
  for await (const line of lines) {
    piece += `${line}\n`;
    if (piece.length < pieceCharacters) continue;
    yield Buffer.from(piece, 'latin1');
    piece = '';
  }
  yield Buffer.from(piece, 'latin1');
}

/** What the head of a manifest tells. One of earlier agents, which bsdtar wrote, is in another order. */
export async function readHead(entry: string): Promise<{ sorted: boolean; digests: boolean }> {
  let sorted = false;
  for await (const line of linesIn(join(entry, manifestName))) {
    if (line === hasSha256) return { sorted, digests: true };
    if (line === isSorted) sorted = true;
    if (line.startsWith('#')) continue;
    if (sorted) return { sorted, digests: false };
    if (line.includes(' type=file ')) return { sorted, digests: line.includes(digest) };
  }
  return { sorted, digests: sorted ? false : true };
}

/** Whether the manifest of an entry has the digests of contents. */
export const hasDigests = async (entry: string): Promise<boolean> => (await readHead(entry)).digests;

/** The lines of an entry's manifest, without its head, in any order. */
export async function* readManifest(entry: string): AsyncGenerator<string> {
  for await (const line of linesIn(join(entry, manifestName))) if (!line.startsWith('#')) yield line;
}

/** The same, sorted by name. */
export async function* readSortedManifest(entry: string, options: SorterOptions): AsyncGenerator<string> {
  const { sorted } = await readHead(entry);
  if (sorted) yield* readManifest(entry);
  else yield* sortedLines(readManifest(entry), options);
}

/** Sorts lines in little memory. */
export async function* sortedLines(lines: AsyncIterable<string>, options: SorterOptions): AsyncGenerator<string> {
  const sorter = new Sorter(options);
  try {
    for await (const line of lines) {
      sorter.add(line);
      await sorter.settle();
    }
    yield* sorter.sorted();
  } finally {
    await sorter.close();
  }
}

/** A regular file of a manifest. */
export interface ManifestFile {
  /** Relative to the entry; one character a byte. */
  path: string;
  /** See {@link contentKey}. */
  key: string;
}

/** Reads a line of a manifest; undefined unless it is about a regular file. */
export function parseFile(line: string): ManifestFile | undefined {
  const space = line.indexOf(' ');
  const end = line.indexOf(digest);
  const key = line.slice(space + 1, end < 0 ? undefined : end);
  if (space < 0 || !key.includes(' type=file ')) return undefined;
  return { path: unescaped(line.slice(2, space)), key };
}

/** Names in an entry that its manifest describes. */
export const describedNames = async (entry: string): Promise<string[]> =>
  // With `./`, as programs take a name that begins with a dash for an option.
  (await readdir(entry)).filter((name) => !ownFiles.includes(name)).map((name) => `./${name}`);

const linesIn = (path: string) => linesOf(createReadStream(path, 'latin1'));

/** Makes a file's bytes durable. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
