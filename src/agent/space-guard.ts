import { setTimeout } from 'node:timers/promises';
import { FetchError } from './failure.ts';
import type { Space } from './store/space.ts';

const mebibyte = 1024 * 1024;
/** What is never taken: the kubelet, the runtime and the containers need some room on the same file system. */
export const minFreeBytes = 256 * mebibyte;
/** A root file system packs to a third or a fifth. An archive that packs better than this is made to fill disks. */
const bombRatio = 200;
const bombBytes = 1024 * mebibyte;

/** Throws unless an archive of so many bytes can be worth a try. Unknown sizes are taken for 0. */
export function checkSpace({ totalBytes, freeBytes }: Space, archiveBytes: number): void {
  const needed = archiveBytes + minFreeBytes;
  if (needed > totalBytes) {
    const message = `The archive has ${mib(archiveBytes)}, the whole file system of the store ${mib(totalBytes)}; use a bigger disk`;
    throw new FetchError('TooLarge', message);
  }
  if (needed > freeBytes) {
    const message = `The archive has ${mib(archiveBytes)} and the store ${mib(freeBytes)} free of which ${mib(minFreeBytes)} must stay free`;
    throw new FetchError('NoSpace', `${message}; free space on the node`);
  }
}

export interface Consumption {
  freeBytes: number;
  downloadedBytes: number;
  /** Of the plain tar stream; undefined where the kernel does not count them. */
  unpackedBytes: number | undefined;
}

/** Why unpacking must stop now; undefined when it may go on. */
export function consumptionFailure({
  freeBytes,
  downloadedBytes,
  unpackedBytes = 0,
}: Consumption): FetchError | undefined {
  if (unpackedBytes > Math.max(bombBytes, bombRatio * downloadedBytes)) {
    const message = `${mib(downloadedBytes)} of the archive unpack to ${mib(unpackedBytes)}: that is no operating system`;
    return new FetchError('TooLarge', `${message}; do not trust its source`);
  }
  if (freeBytes < minFreeBytes) {
    const message = `Less than ${mib(minFreeBytes)} are free on the file system of the store; free space on the node`;
    return new FetchError('NoSpace', message);
  }
  return undefined;
}

/** Looks five times a second, at a disk's speed far more often than minFreeBytes could be used up; throws when it must stop. */
export async function guardSpace(consumption: () => Promise<Consumption>, signal: AbortSignal): Promise<never> {
  for (;;) {
    await setTimeout(200, undefined, { signal });
    const failure = consumptionFailure(await consumption());
    if (failure) throw failure;
  }
}

const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;
