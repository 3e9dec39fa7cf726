import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listAttributes, readAttributes } from './attributes.ts';
import { addDigested } from './digest.ts';
import { Difference, shown } from './difference.ts';
import {
  describedNames,
  lineOf,
  manifestName,
  nameOf,
  newManifestName,
  ownFiles,
  readHead,
  readSortedManifest,
  sortedLines,
  syncFile,
  withDigest,
  writeManifest,
} from './manifest.ts';
import { escaped } from './names.ts';
import { exists } from './commit.ts';
import { Sorter } from './sorter.ts';
import type { Ensure } from './sorter.ts';
import { walk } from '../../system/walk.ts';

/** No path of a published tree is longer. */
const longestPath = 4096;

/**
 * How a published entry differs from its manifest: a sentence that names up to three files, or undefined when it does not.
 * Without `content` one look at each file is taken, which finds what is missing, added or visibly another, and reads none. With
 * it all is read, past the page cache. The first such verification, which follows the publishing, adds the digests that later
 * ones compare. Throws when that cannot be found out. All of it is at low priority, in little memory; aborting stops it.
 * `scratch` is an empty directory for its own files; `ensure` is asked before lists in it grow.
 */
export async function verifyEntry(
  entry: string,
  content: boolean,
  scratch: string,
  signal: AbortSignal,
  ensure?: Ensure,
): Promise<string | undefined> {
  if (!(await exists(join(entry, manifestName)))) return 'its manifest is missing';
  const options = { scratch, signal, ensure, idle: true };
  const { digests } = await readHead(entry);
  const difference = new Difference();
  const now = new Sorter(options);
  const files = new Sorter(options);
  const read = new Sorter(options);
  try {
    const tooLong = await lookAt(entry, now, content ? files : undefined, signal);
    if (tooLong !== undefined) return `${tooLong} was added`;
    if (content) await addDigested(entry, files, read, signal);
    const seen = joined(now.sorted(), read.sorted());
    if (content && !digests) {
      const expected = readSortedManifest(entry, options);
      await writeManifest(join(entry, newManifestName), difference.watch(expected, seen, { digests: false }), true);
    } else {
      const expected = readSortedManifest(entry, options);
      for await (const _ of difference.watch(expected, seen, { digests: content }));
    }
    const attributes = sortedLines(listAttributes(entry, await describedNames(entry), options), options);
    await difference.addAttributes(sortedLines(readAttributes(entry), options), attributes);
    if (difference.isNone && content && !digests) await replaceManifest(entry);
    return difference.told;
  } finally {
    for (const sorter of [now, files, read]) await sorter.close();
    await rm(join(entry, newManifestName), { force: true });
  }
}

/** Lists what is in an entry now; `files` gets those whose content can be read. Stops at a path that is too long, and gives its beginning. */
async function lookAt(
  entry: string,
  now: Sorter,
  files: Sorter | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  for await (const batch of walk(entry, { signal, idle: true })) {
    for (const found of batch) {
      const { path, type, inode, bytes, diskBytes } = found;
      if (path === '' || ownFiles.includes(path)) continue;
      if (path.length > longestPath) return shown(`./${escaped(path.slice(0, longestPath))}`);
      now.add(lineOf(path, found, entry));
      if (type === 'file') files?.add([inode, `./${escaped(path)}`, bytes, diskBytes].join('\t'));
    }
    await now.settle();
    await files?.settle();
  }
  return undefined;
}

/** The lines of a manifest with the digests that are known. Both are sorted by name. */
async function* joined(lines: AsyncGenerator<string>, digests: AsyncGenerator<string>): AsyncGenerator<string> {
  try {
    let digest = await digests.next();
    for await (const line of lines) {
      const known = digest.done !== true && nameOf(digest.value) === nameOf(line) ? digest.value : undefined;
      yield known === undefined ? line : withDigest(line, known.slice(nameOf(known).length + 1));
      if (known !== undefined) digest = await digests.next();
    }
  } finally {
    await digests.return(undefined);
  }
}

async function replaceManifest(entry: string): Promise<void> {
  const path = join(entry, newManifestName);
  await syncFile(path);
  await rename(path, join(entry, manifestName));
}
