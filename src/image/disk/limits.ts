import { FetchError } from '../failure.ts';
import { minFreeOf } from './space.ts';
import type { MinFree, Space } from './space.ts';

const mebibyte = 1024 * 1024;
/** A root file system packs to a third or a fifth. An archive that packs better than this is made to fill disks. */
const bombRatio = 200;
const bombBytes = 1024 * mebibyte;
/** A full desktop has a third of it. */
export const maxEntries = 1_000_000;
/** Of all paths together: what a list of them takes on the disk goes by this. A million ordinary ones have 100 MB. */
export const maxPathBytes = 512 * mebibyte;

/** What an image will take, as far as anybody knows. A tar archive itself is never on the disk: it is unpacked as it comes. */
export interface ExpectedSize {
  /** As the server tells: what is unpacked is hardly ever smaller. */
  archiveBytes: number | undefined;
  /** As another node reported it. */
  unpackedBytes: number | undefined;
}

/** Bytes that a fetch must reserve before it begins; 0 when no one knows. */
export const neededBytes = ({ archiveBytes = 0, unpackedBytes = 0 }: ExpectedSize): number =>
  Math.max(archiveBytes, unpackedBytes);

/** Throws unless there is room for an image beside what must stay free and what others have reserved. */
export function checkSpace(space: Space, expected: ExpectedSize, reservedBytes: number, minFree: MinFree): void {
  const needed = neededBytes(expected);
  const must = minFreeOf(space, minFree);
  const what = expected.unpackedBytes === undefined ? 'The archive alone has' : 'The image needs';
  if (needed + must.bytes > space.totalBytes) {
    const message = `${what} ${mib(needed)}; the whole file system of the store has ${mib(space.totalBytes)}, of which ${mib(must.bytes)} must stay free (MIN_FREE)`;
    throw new FetchError('TooLarge', `${message}; use a bigger disk`);
  }
  if (space.freeBytes - reservedBytes - must.bytes < needed) {
    const reserved = reservedBytes > 0 ? `${mib(reservedBytes)} are promised to other images and ` : '';
    const message = `${what} ${mib(needed)}; ${mib(space.freeBytes)} are free, of which ${reserved}${mib(must.bytes)} must stay free (MIN_FREE)`;
    throw new FetchError('NoSpace', `${message}; free space on the node`);
  }
  if (space.freeInodes < must.inodes) throw noInodes(space, must.inodes);
}

export interface Consumption {
  space: Space;
  downloadedBytes: number;
  /** Of the plain tar stream; undefined where the kernel does not count them. */
  unpackedBytes: number | undefined;
  /** Inodes that the fetch has taken, or fewer than that. */
  takenInodes: number;
  /** What others have reserved and this fetch must not take. */
  reservedBytes: number;
}

/** Why unpacking must stop now; undefined when it may go on. */
export function consumptionFailure(
  { space, downloadedBytes, unpackedBytes = 0, takenInodes, reservedBytes }: Consumption,
  minFree: MinFree,
): FetchError | undefined {
  const must = minFreeOf(space, minFree);
  if (unpackedBytes > Math.max(bombBytes, bombRatio * downloadedBytes)) {
    const message = `${mib(downloadedBytes)} of the archive unpack to ${mib(unpackedBytes)}: that is no operating system`;
    return new FetchError('TooLarge', `${message}; do not trust its source`);
  }
  if (takenInodes > maxEntries) return tooManyEntries();
  if (space.freeBytes - reservedBytes < must.bytes) {
    const reserved = reservedBytes > 0 ? `${mib(reservedBytes)} are promised to other images and ` : '';
    const message = `${mib(unpackedBytes)} are unpacked and more is to come; ${mib(space.freeBytes)} are free, of which ${reserved}${mib(must.bytes)} must stay free (MIN_FREE)`;
    return new FetchError('NoSpace', `${message}; free space on the node`);
  }
  return space.freeInodes < must.inodes ? noInodes(space, must.inodes) : undefined;
}

/** Why lists of files, which are written beside what is reserved, must not grow by that number of bytes; undefined when they may. */
export function shortage(space: Space, bytes: number, minFree: MinFree): FetchError | undefined {
  const must = minFreeOf(space, minFree).bytes;
  if (space.freeBytes - bytes >= must) return undefined;
  const message = `Lists of files take ${mib(bytes)} more; ${mib(space.freeBytes)} are free, of which ${mib(must)} must stay free (MIN_FREE)`;
  return new FetchError('NoSpace', `${message}; free space on the node`);
}

/** The archive holds more than any operating system. */
export function tooManyEntries(): FetchError {
  const message = `The archive has more than ${maxEntries} files and directories: that is no operating system`;
  return new FetchError('TooLarge', `${message}; do not trust its source`);
}

/** A million files of which each is as deep as can be would make lists of gigabytes. */
export function tooLongPaths(): FetchError {
  const message = `The paths of the archive's files have more than ${mib(maxPathBytes)} together: that is no operating system`;
  return new FetchError('TooLarge', `${message}; do not trust its source`);
}

/**
 * Milliseconds until the next look: so short that no disk (4 GB/s) could use up in between what may still be taken, and five
 * times a second while that is much.
 */
export function nextCheckMilliseconds({ space, reservedBytes }: Consumption, minFree: MinFree): number {
  const spareBytes = space.freeBytes - reservedBytes - minFreeOf(space, minFree).bytes;
  return Math.min(200, Math.max(10, spareBytes / 4_000_000));
}

function noInodes({ freeInodes, totalInodes }: Space, must: number): FetchError {
  const message = `${freeInodes} of ${totalInodes} inodes of the file system of the store are free and ${must} must stay free`;
  return new FetchError('NoSpace', `${message}; remove files on the node`);
}

const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
