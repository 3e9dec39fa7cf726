import type { ChildProcess } from 'node:child_process';
import { close, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import type { Jail } from '../../system/jail.ts';
import { readLines, startProgram } from '../../system/programs.ts';
import type { Decompressor } from './compression.ts';
import { diagnose, isHarmless, isSummary } from './diagnose.ts';
import type { Ending } from './diagnose.ts';
import { bytesAt, newCounters, stopAt } from './filter-stream.ts';
import type { Filter, FilterOutcome } from './filter-stream.ts';
import { filterInThread } from './filter-thread.ts';
import { takePipe } from './pipes.ts';
import { Sink } from './sink.ts';
import { streamEnd, streamStart } from './tar/filter.ts';
import { FetchError } from '../failure.ts';

/** An archive being unpacked. */
export interface Unpacking {
  /** Hands over the next bytes; resolves when more are welcome. Once unpacking has failed it does nothing. */
  write(chunk: Uint8Array): Promise<void>;
  /** Says that there are no more bytes and waits for the programs. Throws a FetchError unless all was unpacked. */
  finish(): Promise<void>;
  /** Bytes read or written so far, whichever are more; undefined where the kernel does not count them. */
  unpackedBytes(): Promise<number | undefined>;
}

export interface UnpackOptions {
  /** What of the archive is restored; all that a tar archive has when unset. */
  filter?: Filter;
  /** Throws unless so many bytes more find room on the disk. Asked where an archive lies beside its tree for a while. */
  ensure?: (bytes: number) => Promise<void>;
}

const mebibyte = 1024 * 1024;
/** Its window, and as much again as it takes besides. docs/limits.md says what the agent takes with all of its programs. */
const decompressorBytes = 160 * mebibyte;
/** Some 200 bytes for each directory, the times and modes of which are set in the end. */
const tarBytes = 96 * mebibyte;

/**
 * Options of bsdtar. Names of users are not looked up (numeric owners), because in its root the archive's own libraries would do
 * that. File flags are left alone: an immutable file could not be deleted any more. Its call of chroot is what its jail waits for.
 */
const unpack = ['bsdtar', '-x', '-p', '-f', '-', '--numeric-owner', '--acls', '--xattrs', '--no-fflags', '--chroot'];

/**
 * Starts `decompressor | filter | bsdtar` into an existing directory, over what is there. That is the root of bsdtar, so that
 * nothing outside can be written whatever the archive holds; the two programs run in a jail. Aborting the signal kills them.
 *
 * The filter is a thread of this process and looks at headers only: see `filterTar`.
 */
export async function startUnpacking(
  directory: string,
  decompressor: Decompressor,
  signal: AbortSignal,
  { filter = { kind: 'archive' } }: UnpackOptions = {},
): Promise<Unpacking> {
  const [plain, filtered] = [await takePipe(), await takePipe()];
  const tar = start(unpack, restoring(directory), filtered.read, 'ignore', signal);
  const restored = follow(tar, 'bsdtar');
  const child = decompressor && startDecompressor(decompressor, 'pipe', plain.write, signal);
  const decompressed = child && follow(child, decompressor[0]);
  const input = new Sink((child?.stdin as Writable | undefined) ?? new Socket({ fd: plain.write, readable: false }));
  // The programs have descriptors of their own. A pipe ends when all are closed.
  closeSync(filtered.read);
  if (child) closeSync(plain.write);

  const counters = newCounters();
  const stop = () => Atomics.store(counters, stopAt, 1n);
  signal.addEventListener('abort', stop);
  const pipes = { input: plain.read, output: filtered.write };
  const outcome = filterInThread({ pipes, filter, counters }).then(async (it) => {
    signal.removeEventListener('abort', stop);
    // Nothing can be done with the rest, and nothing it says of that matters.
    if (it.failure || it.isBroken) child?.kill('SIGKILL');
    // The last descriptors of what has no name: that may wait for the disk.
    for (const end of [plain.read, filtered.write]) await promisify(close)(end);
    return it;
  });

  return {
    write: (chunk) => input.write(chunk),
    async finish() {
      input.end();
      const { failure: found, repeated = [] } = await outcome;
      const endings = [...(decompressed ? [await decompressed] : []), await restored];
      signal.throwIfAborted();
      const failure = failureOf(endings, found) ?? (await restoreAgain(directory, repeated, signal));
      signal.throwIfAborted();
      if (failure) throw failure;
    },
    unpackedBytes: async () => Math.max(Number(Atomics.load(counters, bytesAt)), (await countBytes(tar.pid)) ?? 0),
  };
}

/** Restores what came twice once more, as it came last. */
async function restoreAgain(
  directory: string,
  streams: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<FetchError | undefined> {
  for (const stream of streams) {
    const tar = start(unpack, restoring(directory), 'pipe', 'ignore', signal);
    const restored = follow(tar, 'bsdtar');
    const input = new Sink(tar.stdin as Writable);
    await input.write(streamStart, stream, streamEnd);
    input.end();
    const failure = diagnose([await restored]);
    if (failure) return failure;
  }
  return undefined;
}

/** What went wrong: what a program lacks counts for most, then what the decompressor says, then what the filter has found. */
function failureOf(endings: readonly Ending[], outcome: FilterOutcome['failure']): FetchError | undefined {
  const failure = diagnose(endings);
  if (!outcome) return failure;
  const found = new FetchError(outcome.reason, outcome.message);
  // The filter has ended both programs.
  const said = diagnose(endings.slice(0, -1).filter(({ complaint }) => complaint !== ''));
  return failure && ofTheNode.has(failure.reason) ? failure : (said ?? found);
}
const ofTheNode = new Set(['StoreFailed', 'NoSpace', 'TooLarge']);

/** The same for a file, in which bsdtar can go to and fro; it must be at its beginning. */
export function unpackFile(directory: string, file: FileHandle, signal: AbortSignal): Omit<Unpacking, 'write'> {
  const tar = start(unpack, restoring(directory), file.fd, 'ignore', signal);
  const ended = follow(tar, 'bsdtar');
  return {
    async finish() {
      const failure = diagnose([await ended]);
      signal.throwIfAborted();
      if (failure) throw failure;
    },
    unpackedBytes: () => countBytes(tar.pid),
  };
}

const restoring = (root: string): Jail => ({ work: 'restore', root, memoryBytes: tarBytes });
const decompressing: Jail = { work: 'filter', memoryBytes: decompressorBytes };

/** Starts a decompressor in its jail. */
export const startDecompressor = (
  decompressor: readonly string[],
  stdin: 'pipe' | number,
  stdout: 'pipe' | number | Writable,
  signal: AbortSignal,
) => start(decompressor, decompressing, stdin, stdout, signal);

/** Starts a program in a jail. Aborting the signal kills it. */
export function start(
  command: readonly string[],
  jail: Jail,
  stdin: 'pipe' | number,
  stdout: 'ignore' | 'pipe' | number | Writable,
  signal: AbortSignal,
): ChildProcess {
  return startProgram(command, { stdio: [stdin, stdout, 'pipe'], signal, jail });
}

/** Waits for a program and keeps its first and its last complaint. It never rejects. */
export async function follow(child: ChildProcess, command: string): Promise<Ending> {
  let [complaint, last] = ['', ''];
  let harmlessLines = 0;
  const lines = readLines(child.stderr as Readable, (line) => {
    if (isHarmless(line)) harmlessLines += 1;
    else if (line.trim() !== '' && !isSummary(line)) {
      last = line.trim();
      complaint ||= last;
    }
  });
  const ended = new Promise<Pick<Ending, 'code' | 'signal'>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    // Also what cannot be started is closed, but without having said why.
    child.once('error', (error) => (last = complaint ||= error.message));
  });
  const [end] = await Promise.all([ended, lines.catch(() => undefined)]);
  // bsdtar exits with 1 also when all that it had to say was harmless.
  const code = end.code === 1 && complaint === '' && harmlessLines > 0 ? 0 : end.code;
  return { command, ...end, code, complaint, last };
}

/**
 * Bytes that a program has read or written, whichever are more: what it reads may be compressed, and what it writes may be names
 * only. Undefined where the kernel does not count them, and when it has ended.
 */
async function countBytes(pid: number | undefined): Promise<number | undefined> {
  const io = await readFile(`/proc/${pid ?? 0}/io`, 'utf8').catch(() => '');
  const [, read, written] = /^rchar: (\d+)\nwchar: (\d+)$/m.exec(io) ?? [];
  return read === undefined || written === undefined ? undefined : Math.max(Number(read), Number(written));
}
