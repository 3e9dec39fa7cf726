import { lstatSync, readdirSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { FetchError, errorCode } from '../failure.ts';
import { maxEntries, tooManyEntries } from '../space-guard.ts';

export interface TreeSize {
  /** On disk; a file with several names counts once. */
  bytes: number;
  files: number;
  /** Memory that a copy of each top-level directory takes in a tmpfs, by its name; names that are no UTF-8 are left out. */
  overlayBytes: Record<string, number>;
}

/** Told of every regular file, once for each of its names; the path is relative to the tree, one character a byte. */
export type OnFile = (path: string, stat: BigIntStats) => void;

const pageBytes = 4096;

/**
 * Measures a tree without following links. Throws UnsafeArchive for a device outside its top-level `dev`: no container sees
 * that directory of an image, all others would offer the device. Throws TooLarge for more entries than any system has.
 */
export async function measureTree(root: string, onFile?: OnFile): Promise<TreeSize> {
  const size: TreeSize = { bytes: 0, files: 0, overlayBytes: {} };
  const linked = new Set<bigint>();
  const pending = [''];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    // One directory at once: a call for each file would take ten times as long, the whole tree at once would block all else.
    await setImmediate();
    for (const name of usable(() => readdirSync(pathBelow(root, path), 'latin1'))) {
      const child = path === '' ? name : `${path}/${name}`;
      const stat = usable(() => lstatSync(pathBelow(root, child), { bigint: true }));
      if (stat.isDirectory()) pending.push(child);
      else if ((stat.isBlockDevice() || stat.isCharacterDevice()) && !child.startsWith('dev/')) {
        throw new FetchError('UnsafeArchive', `${child} is a device; build the archive without devices outside of dev`);
      }
      if (stat.isFile()) onFile?.(child, stat);
      size.files += 1;
      if (size.files > maxEntries) throw tooManyEntries();
      if (stat.nlink > 1 && !stat.isDirectory()) {
        if (linked.has(stat.ino)) continue;
        linked.add(stat.ino);
      }
      size.bytes += bytesOnDisk(stat);
      if (stat.isFile()) addToOverlay(size.overlayBytes, child, Number(stat.size));
    }
  }
  return size;
}

export const bytesOnDisk = ({ blocks }: BigIntStats) => Number(blocks) * 512;

/** A tmpfs holds whole pages. */
function addToOverlay(sizes: Record<string, number>, path: string, bytes: number): void {
  const top = path.split('/', 1)[0] ?? '';
  if (path !== top) sizes[top] = (sizes[top] ?? 0) + Math.ceil(bytes / pageBytes) * pageBytes;
}

/** Names need not be UTF-8, so they are kept as latin1 strings: one character a byte. */
export const pathBelow = (root: string, path: string) =>
  Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);

/** The kernel takes no longer path in one call: not from us, and not from a container's program. */
function usable<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (errorCode(error) !== 'ENAMETOOLONG') throw error;
    throw new FetchError('UnsafeArchive', 'A path is longer than 4096 bytes; no program could use it', {
      cause: error,
    });
  }
}
