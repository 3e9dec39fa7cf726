import type { Layout } from '../../api/osimage.ts';
import { printable } from '../../runtime/text.ts';
import { FetchError } from '../failure.ts';
import type { TopEntry } from './top.ts';

export { readTop } from './top.ts';

/** Filled by the kernel and the container runtime, whatever the image has there. */
const ofTheRuntime = new Set(['dev', 'proc', 'sys']);
/** The customer's data and software: a link of the image gives way to them, and leads nowhere if it leads into them. */
const ofTheContainer = new Set([...ofTheRuntime, 'data', 'sw']);
/** Links into /usr that the scaffold of a merged image has. */
const scaffoldLinks = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']);
/** At most this many are listed in a status. */
const most = 128;

/**
 * The shape of a root file system. Throws NoRootFileSystem when it is none that a container could use. `hasProgram`: what its image
 * runs is in it, so it may lack all else.
 */
export function detectLayout(top: readonly TopEntry[], hasProgram = false): Layout {
  if (!hasProgram) refuseOther(top);
  const merged = isMerged(top);
  const directories = top.filter((it) => it.type === 'directory' && isMountable(it) && !ofTheRuntime.has(it.name));
  const links = top.flatMap((it) => (merged && scaffoldLinks.has(it.name) ? [] : linkOf(it)));
  const files = top.filter((it) => it.type === 'file' && isMountable(it));
  if (directories.length > most) {
    const message = `The root file system has ${directories.length} top-level directories; at most ${most} can be mounted`;
    throw new FetchError('TooLarge', message);
  }
  const seen = new Set([...directories, ...links.slice(0, most), ...files.slice(0, most)].map(({ name }) => name));
  const ignored = top.filter(({ name, type }) => {
    if (seen.has(name) || (merged && scaffoldLinks.has(name))) return false;
    return !(type === 'directory' && ofTheRuntime.has(name));
  });
  return {
    kind: merged ? 'merged' : 'split',
    directories: directories.map(({ name }) => name),
    ...(links.length > 0 && { links: links.slice(0, most) }),
    ...(files.length > 0 && { files: files.slice(0, most).map(({ name }) => name) }),
    ...(ignored.length > 0 && { ignored: ignored.slice(0, most).map(({ name }) => printable(name)) }),
  };
}

function refuseOther(top: readonly TopEntry[]): void {
  const isDirectory = (name: string) =>
    top.some((it) => it.name === name && (it.type === 'directory' || it.target?.type === 'directory'));
  if (!['usr', 'bin', 'etc'].some(isDirectory)) {
    const found = top.slice(0, 8).map(({ name }) => name);
    throw new FetchError(
      'NoRootFileSystem',
      `The archive holds no root file system: its top has no directory usr, bin or etc but ${found.join(', ') || 'nothing'}; ` +
        `build it from inside of the root (tar -C root -c .)`,
    );
  }
  if (!isDirectory('bin')) {
    throw new FetchError(
      'NoRootFileSystem',
      'The root file system has no bin, neither a directory nor a link to one in it, and its image names no program that is in it; ' +
        'build it from a whole system, or give the image the command that it runs',
    );
  }
}

/** Whether the links of a merged scaffold lead to where those of the image lead, and there is nothing else of their names. */
function isMerged(top: readonly TopEntry[]): boolean {
  const named = top.filter(({ name, type, target }) => scaffoldLinks.has(name) && (type !== 'link' || target));
  return named.some(({ name }) => name === 'bin') && named.every(({ likeMerged }) => likeMerged);
}

/** A name that a Pod can mount something at. */
const isMountable = ({ name }: { name: string }) =>
  /^\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(name) && name !== '.monoroot';
/** What a Pod can name of an image. */
const isNameable = (part: string) => /^\.?[A-Za-z0-9_-][A-Za-z0-9_.+@~-]*$/.test(part);

/** What a container has of a link on top: none of what leads out of the image or to itself. */
function linkOf({ name, type, target }: TopEntry): NonNullable<Layout['links']> {
  if (type !== 'link' || !target || !isMountable({ name }) || ofTheContainer.has(name)) return [];
  const parts = target.path.split('/');
  if (!parts.every(isNameable) || ofTheContainer.has(parts[0] ?? '')) return [];
  return [{ name, target: target.path, type: target.type === 'file' ? 'File' : 'Directory' }];
}
