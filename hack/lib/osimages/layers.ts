import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '../process.ts';

/** What a layer puts over the one below: entries that are new or differ, and entries that are gone. */
export interface Difference {
  changed: string[];
  removed: string[];
}

/** Compares two trees; paths are relative to them. Extended attributes are not compared. */
export function compareTrees(before: string, after: string): Difference {
  const [old, now] = [readTree(before), readTree(after)];
  // Whoever is gone takes along what was below.
  const hasParent = (path: string) => dirname(path) === '.' || now.get(dirname(path))?.isDirectory === true;
  return {
    changed: [...now].filter(([path, { identity }]) => old.get(path)?.identity !== identity).map(([path]) => path),
    removed: [...old.keys()].filter((path) => !now.has(path) && hasParent(path)),
  };
}

interface Entry {
  identity: string;
  isDirectory: boolean;
}

/** Each path before those below it. Not with `recursive` of readdir, which follows links to directories. */
function readTree(root: string, below = '.', tree = new Map<string, Entry>()): Map<string, Entry> {
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    const entry = readEntry(join(root, path));
    tree.set(path, entry);
    if (entry.isDirectory) readTree(root, path, tree);
  }
  return tree;
}

function readEntry(file: string): Entry {
  const stat = lstatSync(file, { bigint: true });
  const content = stat.isSymbolicLink()
    ? readlinkSync(file)
    : stat.isFile()
      ? createHash('sha256').update(readFileSync(file)).digest('hex')
      : String(stat.rdev);
  const identity = [stat.mode, stat.uid, stat.gid, stat.mtimeNs, content].join();
  return { identity, isDirectory: stat.isDirectory() };
}

/** Writes a whole tree as a tar file; equal trees give equal bytes. */
export async function packTree(root: string, file: string): Promise<void> {
  await tar(file, ['-C', root, '.']);
}

/** Writes what makes `after` of `before` as a tar file, with OCI whiteouts. `work` is an empty directory for its own use. */
export async function packDifference(before: string, after: string, file: string, work: string): Promise<void> {
  const { changed, removed } = compareTrees(before, after);
  const whiteouts = removed.map((path) => join(dirname(path), `.wh.${basename(path)}`));
  for (const path of whiteouts) {
    mkdirSync(join(work, 'root', dirname(path)), { recursive: true });
    writeFileSync(join(work, 'root', path), '');
    utimesSync(join(work, 'root', path), 0, 0);
  }
  const names = (list: string, paths: readonly string[]) => {
    writeFileSync(join(work, list), paths.map((path) => `${path}\0`).join(''));
    return ['--null', '--files-from', join(work, list)];
  };
  mkdirSync(join(work, 'root'), { recursive: true });
  const args = ['-C', after, ...names('changed', changed), '-C', join(work, 'root'), ...names('removed', whiteouts)];
  await tar(file, ['--no-recursion', '--verbatim-files-from', ...args]);
}

async function tar(file: string, names: readonly string[]): Promise<void> {
  // The times that a kernel keeps for itself would make two packs of one tree differ.
  const pax = '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime';
  const options = ['--format=posix', pax, '--xattrs', '--acls', '--numeric-owner', '--sort=name'];
  const { code, stderr } = await run('tar', ['--create', '--file', file, ...options, ...names]);
  if (code !== 0) throw new Error(`tar could not make ${file}: ${stderr.trim()}`);
}
