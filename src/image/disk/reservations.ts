import { setTimeout } from 'node:timers/promises';
import { toFetchError } from '../failure.ts';
import { checkSpace, consumptionFailure, nextCheckMilliseconds, maxEntries, neededBytes, shortage } from './limits.ts';
import type { Consumption, ExpectedSize } from './limits.ts';
import type { MinFree, Space } from './space.ts';

/** What a stream has taken so far. */
type ReadProgress = () => Promise<Pick<Consumption, 'downloadedBytes' | 'unpackedBytes'>>;

/** What a fetch has reserved of the disk. */
export interface Reservation {
  /**
   * Looks again and again at what the fetch takes, which `progress` tells, and rejects with a FetchError when it must stop, or
   * with the reason of the signal. Of several at once only those that are given it count what is unpacked.
   */
  guard(progress: ReadProgress, signal: AbortSignal): Promise<never>;
  /** Throws a FetchError unless so many bytes more find room, besides what was taken. */
  ensure(bytes: number): Promise<void>;
  /** To be called in any case, once nothing more is written. */
  release(): void;
}

interface Reserved {
  neededBytes: number;
  takenBytes: number;
  /** Inodes in use that are not of this fetch: those from before, and those that others have taken meanwhile. */
  inodesOfOthers: number;
  /** Counts the files that the fetch has made. */
  countFiles: () => Promise<number>;
}

/** Does some work until it is done or the guard of the reservation stops it; then what it was stopped for is thrown. */
export async function guarded<T>(
  reservation: Reservation,
  progress: ReadProgress,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  let failure: unknown;
  const guard = reservation.guard(progress, inner).catch((error: unknown) => {
    if (inner.aborted) return;
    failure = toFetchError(error);
    stop.abort(failure);
  });
  try {
    return await work(inner);
  } catch (error) {
    throw failure ?? error;
  } finally {
    stop.abort();
    await guard;
  }
}

/** The disk space that all fetches of a node share. What one has reserved no other gets. */
export class DiskReservations {
  readonly #readSpace: () => Promise<Space>;
  readonly #minFree: MinFree;
  readonly #reserved = new Set<Reserved>();

  constructor(readSpace: () => Promise<Space>, minFree: MinFree) {
    this.#readSpace = readSpace;
    this.#minFree = minFree;
  }

  /**
   * Reserves what an image needs. Throws a FetchError when it is not there. `countFiles` tells how many files the fetch has made; it is asked
   * when all users of the disk together have made more than one fetch may.
   */
  async reserve(expected: ExpectedSize, countFiles: () => Promise<number>): Promise<Reservation> {
    const space = await this.#readSpace();
    // Nothing may come between the check and the reservation.
    checkSpace(space, expected, this.#reservedBytes(), this.#minFree);
    // Files in use are counted, not free ones: some file systems make inodes of any free space.
    const inodesOfOthers = space.totalInodes - space.freeInodes;
    const own: Reserved = { neededBytes: neededBytes(expected), takenBytes: 0, inodesOfOthers, countFiles };
    this.#reserved.add(own);
    const look = (progress: ReadProgress, before: number) => this.#look(own, progress, before);
    return {
      guard: async (progress, signal) => {
        const before = own.takenBytes;
        for (let wait = 10; ; wait = await look(progress, before)) await setTimeout(wait, undefined, { signal });
      },
      ensure: async (bytes) => {
        const more = { archiveBytes: bytes, unpackedBytes: undefined };
        checkSpace(await this.#readSpace(), more, this.#reservedBytes(own), this.#minFree);
      },
      release: () => void this.#reserved.delete(own),
    };
  }

  /** Throws NoSpace when writing that number of bytes, which no one has reserved, would take what must stay free. */
  async ensureFree(bytes: number): Promise<void> {
    const failure = shortage(await this.#readSpace(), bytes, this.#minFree);
    if (failure) throw failure;
  }

  /** Throws when a fetch must stop; gives the milliseconds until the next look. `before`: what it took before this stream. */
  async #look(own: Reserved, progress: ReadProgress, before: number): Promise<number> {
    const [space, { downloadedBytes, unpackedBytes }] = await Promise.all([this.#readSpace(), progress()]);
    if (unpackedBytes !== undefined) own.takenBytes = before + unpackedBytes;
    const consumption: Consumption = {
      space,
      downloadedBytes,
      unpackedBytes,
      takenInodes: await this.#takenInodes(own, space),
      // Within its own reservation it may take what is there.
      reservedBytes: own.takenBytes > own.neededBytes ? this.#reservedBytes(own) : 0,
    };
    const failure = consumptionFailure(consumption, this.#minFree);
    if (failure) throw failure;
    return nextCheckMilliseconds(consumption, this.#minFree);
  }

  /** What others take at the same time, such as a pull of an image, is no fault of the fetch. */
  async #takenInodes(own: Reserved, { totalInodes, freeInodes }: Space): Promise<number> {
    const inUse = totalInodes - freeInodes;
    if (inUse - own.inodesOfOthers <= maxEntries) return inUse - own.inodesOfOthers;
    const files = await own.countFiles();
    own.inodesOfOthers = inUse - files;
    return files;
  }

  /** What is reserved and not taken yet. */
  #reservedBytes(except?: Reserved): number {
    let sum = 0;
    for (const it of this.#reserved) if (it !== except) sum += Math.max(0, it.neededBytes - it.takenBytes);
    return sum;
  }
}
