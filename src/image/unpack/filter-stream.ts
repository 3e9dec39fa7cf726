import { readSync, writevSync } from 'node:fs';
import { errorCode } from '../../system/errors.ts';
import { toFetchError } from '../failure.ts';
import type { FailureReason } from '../failure.ts';
import { layerFilter } from './layer-filter.ts';
import { filterTar, streamEnd, streamStart } from './tar/filter.ts';

/** What of a stream is restored: all of an archive, or a layer, over the tree of the layers below if there are any. */
export type Filter = { kind: 'archive' } | { kind: 'layer'; tree?: string };

/** Descriptors of two pipes. */
export interface FilterPipes {
  input: number;
  output: number;
}

/** What came of a stream. */
export interface FilterOutcome {
  /** Why it cannot be unpacked. */
  failure?: { reason: FailureReason; message: string };
  /** Whether the program that reads what comes out has gone. Why it has, it says itself. */
  isBroken: boolean;
  /** Other streams, to be restored after the first, one after the other: see `Directories`. */
  repeated?: Uint8Array[];
}

/** Numbers that two threads share: bytes that came, and whether the rest is of no use. */
export const newCounters = () => new BigInt64Array(new SharedArrayBuffer(16));
export const [bytesAt, stopAt] = [0, 1] as const;

/** The same memory for all streams: it makes no garbage. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Reads a tar stream from one pipe and writes to another what bsdtar restores, in calls that wait: for a thread that has nothing
 * else to do. It ends when one of the programs at the other ends does, and closes neither pipe.
 */
export function filterStream({ input, output }: FilterPipes, filter: Filter, counters: BigInt64Array): FilterOutcome {
  const { reader, repeated } = filterTar(filter.kind === 'layer' ? layerFilter(filter.tree) : filter);
  let start: readonly Buffer[] = [streamStart];
  const give = (pieces: readonly Buffer[]) => {
    if (pieces.length === 0) return;
    writeAll(output, [...start, ...pieces]);
    start = [];
  };
  try {
    for (;;) {
      const length = readSync(input, buffer, 0, buffer.length, null);
      if (length === 0 || Atomics.load(counters, stopAt) !== 0n) break;
      Atomics.add(counters, bytesAt, BigInt(length));
      give(reader.push(buffer.subarray(0, length)));
    }
    give(reader.end());
    if (reader.isWhole) give([streamEnd]);
    return { isBroken: false, repeated: repeated() };
  } catch (error) {
    if (errorCode(error) === 'EPIPE') return { isBroken: true };
    const { reason, message } = toFetchError(error);
    return { isBroken: false, failure: { reason, message } };
  }
}

/** As many as the kernel takes in one call. */
const mostPieces = 1024;

function writeAll(output: number, pieces: readonly Buffer[]): void {
  for (let next = 0; next < pieces.length; next += mostPieces) {
    let rest = pieces.slice(next, next + mostPieces);
    while (rest.length > 0) rest = withoutFirst(rest, writevSync(output, rest));
  }
}

function withoutFirst(pieces: readonly Buffer[], written: number): Buffer[] {
  let bytes = written;
  const first = pieces.findIndex(({ length }) => {
    if (bytes < length) return true;
    bytes -= length;
    return false;
  });
  return first < 0 ? [] : [(pieces[first] ?? streamEnd).subarray(bytes), ...pieces.slice(first + 1)];
}
