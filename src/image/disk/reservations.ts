import { setTimeout } from 'node:timers/promises';
import { toFetchError } from '../failure.ts';
import { checkSpace, consumptionFailure, lookAgainMilliseconds, maxEntries, neededBytes, shortage } from './limits.ts';
import type { Consumption, Need } from './limits.ts';
import type { MinFree, Space } from './space.ts';

/** What a stream has taken so far. */
type Progress = () => Promise<Pick<Consumption, 'downloadedBytes' | 'unpackedBytes'>>;

/** What a fetch was granted of the disk. */
export interface Claim {
  /**
   * Looks again and again at what the fetch takes, which `progress` tells, and rejects with a FetchError when it must stop, or
   * with the reason of the signal. Of several at once only those that are given it count what is unpacked.
   */
  guard(progress: Progress, signal: AbortSignal): Promise<never>;
  /** Throws a FetchError unless so many bytes more find room, besides what was taken. */
  ensure(bytes: number): Promise<void>;
  /** To be called in any case, once nothing more is written. */
  release(): void;
}

interface Granted {
  neededBytes: number;
  takenBytes: number;
  /** Inodes in use that are not of this fetch: those from before, and those that others have taken meanwhile. */
  inodesOfOthers: number;
  /** Counts the files that the fetch has made. */
  countFiles: () => Promise<number>;
}

/** Does some work until it is done or the claim's guard stops it; then what it was stopped for is thrown. */
export async function guarded<T>(
  claim: Claim,
  progress: Progress,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const inner = AbortSignal.any([signal, stop.signal]);
  let failure: unknown;
  const guard = claim.guard(progress, inner).catch((error: unknown) => {
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

/** The room that all fetches of a node share. What one was promised no other gets. */
export class Room {
  readonly #readSpace: () => Promise<Space>;
  readonly #minFree: MinFree;
  readonly #granted = new Set<Granted>();

  constructor(readSpace: () => Promise<Space>, minFree: MinFree) {
    this.#readSpace = readSpace;
    this.#minFree = minFree;
  }

  /**
   * Reserves what an image needs. Throws a FetchError when it is not there. `countFiles` tells how many files the fetch has made; it is asked
   * when all users of the disk together have made more than one fetch may.
   */
  async claim(need: Need, countFiles: () => Promise<number>): Promise<Claim> {
    const space = await this.#readSpace();
    // Nothing may come between the check and the promise.
    checkSpace(space, need, this.#promisedBytes(), this.#minFree);
    // Files in use are counted, not free ones: some file systems make inodes of any free space.
    const inodesOfOthers = space.totalInodes - space.freeInodes;
    const own: Granted = { neededBytes: neededBytes(need), takenBytes: 0, inodesOfOthers, countFiles };
    this.#granted.add(own);
    const look = (progress: Progress, before: number) => this.#look(own, progress, before);
    return {
      guard: async (progress, signal) => {
        const before = own.takenBytes;
        for (let wait = 10; ; wait = await look(progress, before)) await setTimeout(wait, undefined, { signal });
      },
      ensure: async (bytes) => {
        const more = { archiveBytes: bytes, unpackedBytes: undefined };
        checkSpace(await this.#readSpace(), more, this.#promisedBytes(own), this.#minFree);
      },
      release: () => void this.#granted.delete(own),
    };
  }

  /** Throws NoSpace when writing that number of bytes, which no one was promised, would take what must stay free. */
  async ensureFree(bytes: number): Promise<void> {
    const failure = shortage(await this.#readSpace(), bytes, this.#minFree);
    if (failure) throw failure;
  }

  /** Throws when a fetch must stop; gives the milliseconds until the next look. `before`: what it took before this stream. */
  async #look(own: Granted, progress: Progress, before: number): Promise<number> {
    const [space, { downloadedBytes, unpackedBytes }] = await Promise.all([this.#readSpace(), progress()]);
    if (unpackedBytes !== undefined) own.takenBytes = before + unpackedBytes;
    const consumption: Consumption = {
      space,
      downloadedBytes,
      unpackedBytes,
      takenInodes: await this.#takenInodes(own, space),
      // Within its own promise it may take what is there.
      promisedBytes: own.takenBytes > own.neededBytes ? this.#promisedBytes(own) : 0,
    };
    const failure = consumptionFailure(consumption, this.#minFree);
    if (failure) throw failure;
    return lookAgainMilliseconds(consumption, this.#minFree);
  }

  /** What others take at the same time, such as a pull of an image, is no fault of the fetch. */
  async #takenInodes(own: Granted, { totalInodes, freeInodes }: Space): Promise<number> {
    const inUse = totalInodes - freeInodes;
    if (inUse - own.inodesOfOthers <= maxEntries) return inUse - own.inodesOfOthers;
    const files = await own.countFiles();
    own.inodesOfOthers = inUse - files;
    return files;
  }

  /** What was promised and is not taken yet. */
  #promisedBytes(except?: Granted): number {
    let sum = 0;
    for (const it of this.#granted) if (it !== except) sum += Math.max(0, it.neededBytes - it.takenBytes);
    return sum;
  }
}
