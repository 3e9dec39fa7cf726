import { lstatSync, opendirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { digest } from '../api/meta.ts';

/** What the plugin has to know of something in the store before it has it mounted. */
export interface Found {
  kind: 'Directory' | 'File' | 'Other' | 'Missing';
  /** A directory without entries. */
  empty: boolean;
  uid: number;
  gid: number;
  /** Permissions, in numbers. */
  mode: number;
}

/** What is read of the store. It answers at once: containerd waits. */
export interface Trees {
  /** Digest of the image that is stored under this name; undefined when there is none. */
  digestOf(tree: { os: string; version: string }): string | undefined;
  /** What is at a path of the image's entry, no part of which is a link. */
  look(tree: { os: string; version: string }, path: string): Found;
}

const missing: Found = { kind: 'Missing', empty: true, uid: 0, gid: 0, mode: 0 };

/** As the agent writes it; the rest is of no use here. */
const imageFile = z.object({ digest });

/** Reads the store at `root`, which is that of the node, mounted read-only. */
export function readTrees(root: string): Trees {
  const entry = ({ os, version }: { os: string; version: string }) => join(root, os, version);
  return {
    digestOf: (tree) => {
      const text = unlessMissing(() => readFileSync(join(entry(tree), 'image.json'), 'utf8'));
      return text === undefined ? undefined : imageFile.parse(JSON.parse(text)).digest;
    },
    look: (tree, path) => {
      let at = entry(tree);
      let found = missing;
      // The runtime follows links of a source on the node: one in a tree would lead out of it.
      for (const name of path.split('/')) {
        if (found !== missing && found.kind !== 'Directory') return missing;
        at = join(at, name);
        found = stateOf(at);
        if (found.kind === 'Missing' || found.kind === 'Other') return found;
      }
      return found.kind === 'Directory' ? { ...found, empty: isEmpty(at) } : found;
    },
  };
}

function stateOf(path: string): Found {
  const stat = unlessMissing(() => lstatSync(path));
  if (!stat) return missing;
  const kind = stat.isDirectory() ? 'Directory' : stat.isFile() ? 'File' : 'Other';
  return { kind, empty: false, uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 };
}

function isEmpty(path: string): boolean {
  const directory = opendirSync(path);
  try {
    return directory.readSync() === null;
  } finally {
    directory.closeSync();
  }
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
