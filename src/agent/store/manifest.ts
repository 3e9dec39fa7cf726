import { createReadStream } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { linesOf } from '../../runtime/lines.ts';
import { programLines, runProgram } from '../program.ts';
import { together } from '../together.ts';

/**
 * What an entry of the store holds, as it was when it was published: beside `root/`, one line of mtree(5) for each file in
 * it and beside it. bsdtar writes it, with times in nanoseconds, names in plain ASCII, sorted.
 */
export const manifestName = 'manifest';
/** Extended attributes, ACLs and file capabilities of the same files, which mtree does not know, as getfattr writes them. */
export const attributesName = 'attributes';

const newManifestName = 'manifest.new';
const files = [manifestName, attributesName, newManifestName];
const digest = ' sha256digest=';
const facts = 'type,mode,uid,gid,size,time,link,device';
// Those that the image has; a security label such as that of SELinux is the business of the node.
const ofTheImage = '^(user|trusted|system|security\\.capability)';
const listAttributes = ['getfattr', '-R', '-P', '-h', '-d', '-e', 'hex', '-m', ofTheImage, '--absolute-names', '--'];

const header = '# file: ';

/** How a program is run that must not get in the way of the containers. */
const idle = ['nice', '-n', '19', 'ionice', '-t', '-c', '3'];

/**
 * Describes a finished entry in it, without digests of contents: reading all again would take longer than what it follows on.
 * Both files are on the disk at the end.
 */
export async function writeManifest(entry: string, signal: AbortSignal): Promise<void> {
  const names = await described(entry);
  const write = async (name: string, [command = '', ...args]: readonly string[]) => {
    const file = await open(join(entry, name), 'wx', 0o600);
    try {
      await runProgram(command, args, { cwd: entry, output: file.fd, signal });
      await file.sync();
    } finally {
      await file.close();
    }
  };
  await together(write(manifestName, mtree(names, false)), write(attributesName, [...listAttributes, ...names]));
}

/** Whether the manifest of an entry has the digests of contents. */
export async function hasDigests(entry: string): Promise<boolean> {
  for await (const line of readManifest(entry)) if (line.includes(' type=file ')) return line.includes(digest);
  return true;
}

/** Adds the digests of contents to the manifest of an entry, about 1 s for a gigabyte, at low priority. */
export async function addDigests(entry: string, signal: AbortSignal): Promise<void> {
  const path = join(entry, newManifestName);
  const [command = '', ...args] = [...idle, ...mtree(await described(entry), true)];
  const file = await open(path, 'w', 0o600);
  try {
    await runProgram(command, args, { cwd: entry, output: file.fd, signal });
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(path, join(entry, manifestName));
}

/** The lines of an entry's manifest, without its first. */
export async function* readManifest(entry: string): AsyncGenerator<string> {
  for await (const line of lines(join(entry, manifestName))) if (!line.startsWith('#')) yield line;
}

/** The manifest that the entry would get now, at low priority; `content` says whether with digests, which takes long. */
export async function* currentManifest(entry: string, content: boolean, signal: AbortSignal): AsyncGenerator<string> {
  const command = [...idle, ...mtree(await described(entry), content)];
  for await (const line of programLines(command, { cwd: entry, signal })) if (!line.startsWith('#')) yield line;
}

/** Like {@link readManifest}: one item for each file that has attributes, `# file: <path>` and a line for each of them. */
export const readAttributes = (entry: string) => blocks(lines(join(entry, attributesName)));

/** Like {@link currentManifest}, for attributes. */
export async function* currentAttributes(entry: string, signal: AbortSignal): AsyncGenerator<string> {
  const command = [...idle, ...listAttributes, ...(await described(entry))];
  yield* blocks(programLines(command, { cwd: entry, signal }));
}

/** The paths of those below a directory that have attributes, relative to it; one character a byte. */
export async function withAttributes(directory: string, signal: AbortSignal): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const line of programLines([...listAttributes, '.'], { cwd: directory, signal })) {
    if (line.startsWith(header)) found.add(unescaped(line.slice(header.length)).replace(/^\.\//, ''));
  }
  return found;
}

/** A regular file of a manifest. */
export interface ManifestFile {
  /** Relative to the entry; one character a byte. */
  path: string;
  /** See {@link keyOf}. */
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

const second = 1_000_000_000n;

/** All that a manifest says of a regular file but its name and content, in the same words. */
export function keyOf({ mtimeNs, mode, gid, uid, size }: BigIntStats): string {
  const nanoseconds = ((mtimeNs % second) + second) % second;
  const time = `${(mtimeNs - nanoseconds) / second}.${nanoseconds}`;
  return `time=${time} mode=${(mode & 0o7777n).toString(8)} gid=${gid} uid=${uid} type=file size=${size}`;
}

/** bsdtar and getfattr both write a byte that is not printable as a backslash and three octal digits. */
export const unescaped = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(parseInt(octal, 8)));

function mtree(names: readonly string[], content: boolean): string[] {
  const options = `mtree:!all,${facts}${content ? ',sha256' : ''}`;
  // Attributes have their own file; holes of sparse files are no difference.
  const quick = ['--no-xattrs', '--no-acls', '--no-fflags', '--no-read-sparse'];
  return ['bsdtar', '-c', '-f', '-', '--format=mtree', `--options=${options}`, ...quick, '--', ...names];
}

async function described(entry: string): Promise<string[]> {
  // With `./`, as bsdtar takes a name that begins with @ for an archive.
  return (await readdir(entry)).filter((name) => !files.includes(name)).map((name) => `./${name}`);
}

const lines = (path: string) => linesOf(createReadStream(path, 'latin1'));

async function* blocks(input: AsyncIterable<string>): AsyncGenerator<string> {
  let block = '';
  for await (const line of input) {
    if (line !== '') block += block === '' ? line : `\n${line}`;
    else if (block !== '') {
      yield block;
      block = '';
    }
  }
  if (block !== '') yield block;
}
