import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { jailed } from '../../system/jail.ts';
import type { Jail } from '../../system/jail.ts';
import { programEnvironment, readLines } from '../../system/programs.ts';
import type { Decompressor } from './compression.ts';
import { diagnose, isHarmless, isSummary } from './diagnose.ts';
import type { Ending } from './diagnose.ts';
import { filterTar, streamEnd, streamStart } from './tar/filter.ts';
import type { FilterOptions, TarFilter } from './tar/filter.ts';
import { toFetchError } from '../failure.ts';
import type { FetchError } from '../failure.ts';

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
  filter?: FilterOptions;
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
 * The filter is part of this process and looks at headers only: see `filterTar`.
 */
export function startUnpacking(
  directory: string,
  decompressor: Decompressor,
  signal: AbortSignal,
  { filter = { kind: 'archive' } }: UnpackOptions = {},
): Unpacking {
  const tar = start(unpack, restoring(directory), 'pipe', 'ignore', signal);
  const restored = follow(tar, 'bsdtar');
  const output = new Sink(tar.stdin as Writable);
  const filtering = new Filtering(output, filter);
  const unpackedBytes = async () => Math.max(filtering.bytes, (await countBytes(tar.pid)) ?? 0);
  if (!decompressor) {
    return {
      write: (chunk) => filtering.push(chunk),
      finish: async () => {
        await filtering.finish();
        await end([], restored);
      },
      unpackedBytes,
    };
  }
  const child = startDecompressor(decompressor, 'pipe', 'pipe', signal);
  const decompressed = follow(child, decompressor[0]);
  const input = new Sink(child.stdin as Writable);
  const pumped = (async () => {
    for await (const chunk of child.stdout as Readable) {
      await filtering.push(chunk as Uint8Array);
      // Nothing can be done with the rest.
      if (filtering.failure || output.isBroken) child.kill('SIGKILL');
    }
  })().catch(() => undefined);

  return {
    write: (chunk) => input.write(chunk),
    async finish() {
      input.end();
      await pumped;
      await filtering.finish();
      await end([await decompressed], restored);
    },
    unpackedBytes,
  };

  async function end(before: readonly Ending[], last: Promise<Ending>): Promise<void> {
    const endings = [...before, await last];
    signal.throwIfAborted();
    const failure =
      failureOf(endings, filtering.failure) ?? (await restoreAgain(directory, filtering.repeated(), signal));
    signal.throwIfAborted();
    if (failure) throw failure;
  }
}

/** Restores what came twice once more, as it came last. */
async function restoreAgain(
  directory: string,
  stream: Buffer | undefined,
  signal: AbortSignal,
): Promise<FetchError | undefined> {
  if (!stream) return undefined;
  const tar = start(unpack, restoring(directory), 'pipe', 'ignore', signal);
  const restored = follow(tar, 'bsdtar');
  const input = new Sink(tar.stdin as Writable);
  await input.write(streamStart, stream, streamEnd);
  input.end();
  return diagnose([await restored]);
}

/** What went wrong: what a program lacks counts for most, then what the decompressor says, then what the filter has found. */
function failureOf(endings: readonly Ending[], found: FetchError | undefined): FetchError | undefined {
  const failure = diagnose(endings);
  if (!found) return failure;
  // The filter has ended both programs.
  const said = diagnose(endings.slice(0, -1).filter(({ complaint }) => complaint !== ''));
  return failure && ofTheNode.has(failure.reason) ? failure : (said ?? found);
}
const ofTheNode = new Set(['StoreFailed', 'NoSpace', 'TooLarge']);

/** Input of a program that may end before it has read all. Why it does is reported by how it ended. */
class Sink {
  readonly #stream: Writable;
  isBroken = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', () => (this.isBroken = true));
    stream.on('close', () => (this.isBroken = true));
  }

  /** Resolves when more is welcome. */
  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    if (this.isBroken) return;
    this.#stream.cork();
    let isWelcome = true;
    for (const piece of pieces) isWelcome = this.#stream.write(piece);
    this.#stream.uncork();
    if (!isWelcome) await drained(this.#stream);
  }

  end(): void {
    if (!this.isBroken) this.#stream.end();
  }
}

/** The filter of one archive, between what comes and bsdtar. After a failure it takes bytes and does nothing. */
class Filtering {
  readonly #output: Sink;
  readonly #filter: TarFilter;
  #start: Buffer[] = [streamStart];
  #finished = false;
  failure: FetchError | undefined;
  /** Bytes that came. */
  bytes = 0;

  constructor(output: Sink, options: FilterOptions) {
    this.#output = output;
    this.#filter = filterTar(options);
  }

  async push(chunk: Uint8Array): Promise<void> {
    this.bytes += chunk.length;
    if (this.failure) return;
    await this.#give(() => this.#filter.reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
  }

  async finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    if (!this.failure) await this.#give(() => this.#filter.reader.end());
    if (!this.failure && this.#filter.reader.isWhole) await this.#output.write(...this.#start, streamEnd);
    this.#output.end();
  }

  /** See `TarFilter`. */
  repeated(): Buffer | undefined {
    try {
      return this.#filter.repeated();
    } catch (error) {
      this.failure ??= toFetchError(error);
      return undefined;
    }
  }

  async #give(read: () => Buffer[]): Promise<void> {
    try {
      const pieces = joined(read());
      if (pieces.length === 0) return;
      await this.#output.write(...this.#start, ...pieces);
      this.#start = [];
    } catch (error) {
      this.failure = toFetchError(error);
    }
  }
}

/** Pieces that follow each other in the same memory as one: entries that pass as they are need no call of their own. */
function joined(pieces: readonly Buffer[]): Buffer[] {
  const all: Buffer[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    if (last?.buffer !== piece.buffer || last.byteOffset + last.length !== piece.byteOffset) all.push(piece);
    else all[all.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + piece.length);
  }
  return all;
}

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
  stdout: 'pipe' | Writable,
  signal: AbortSignal,
) => start(decompressor, decompressing, stdin, stdout, signal);

/** Starts a program in a jail. Aborting the signal kills it. */
export function start(
  command: readonly string[],
  jail: Jail,
  stdin: 'pipe' | number,
  stdout: 'ignore' | 'pipe' | Writable,
  signal: AbortSignal,
): ChildProcess {
  const [launcher, ...args] = jailed(command, jail);
  return spawn(launcher, args, {
    stdio: [stdin, stdout, 'pipe'],
    env: programEnvironment,
    signal,
    killSignal: 'SIGKILL',
  });
}

/** Resolves when the stream takes more, or will never again. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stream.off('drain', end);
      stream.off('close', end);
      resolve();
    };
    stream.on('drain', end);
    stream.on('close', end);
  });
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
