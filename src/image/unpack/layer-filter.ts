import { lstatSync, readlinkSync } from 'node:fs';
import { errorCode } from '../../system/errors.ts';
import type { FilterOptions } from './tar/filter.ts';

/** A file `.wh.NAME` of a layer removes NAME of the layers below. */
export const whiteoutPrefix = '.wh.';

/** Names of whiteouts are reserved, also for directories. */
export const isWhiteout = (path: string): boolean => path.split('/').some((part) => part.startsWith(whiteoutPrefix));

/** So much is remembered of a layer at a time, however many entries it has: names, and a little for each. */
export const mostBytes = 1024 * 1024;
export const bytesOfName = 64;

/** What of a layer is restored: a layer that is not the lowest goes over what the others have made. */
export function layerFilter(tree?: string): FilterOptions {
  const lowest: FilterOptions = { kind: 'layer', leaveOut: isWhiteout };
  if (tree === undefined) return lowest;
  const isBelow = (path: string) => lstatSync(bytesOf(tree, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
  return { ...lowest, below: linksOf(tree), isBelow };
}

/** The path of a name in a tree; names have one character a byte. */
export const bytesOf = (tree: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(path, 'latin1')]);

/** Where the link at a path of a tree leads. It remembers the last ones. */
export function linksOf(tree: string): (path: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  let bytes = 0;
  return (path) => {
    if (known.has(path)) return known.get(path);
    bytes += path.length + bytesOfName;
    if (bytes >= mostBytes) {
      known.clear();
      bytes = path.length + bytesOfName;
    }
    const target = readLink(bytesOf(tree, path));
    known.set(path, target);
    return target;
  };
}

function readLink(path: Buffer): string | undefined {
  try {
    return readlinkSync(path, 'latin1');
  } catch (error) {
    // No link, nothing there, below a file, or no name that a file can have.
    if (['EINVAL', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(errorCode(error))) return undefined;
    throw error;
  }
}
