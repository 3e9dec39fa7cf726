import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { jailed } from '../jail.ts';
import type { Jail } from '../jail.ts';
import { programEnvironment, readLines } from '../program.ts';
import { isTar, notTar, tarHeaderBytes } from './compression.ts';
import type { Decompressor } from './compression.ts';
import { diagnose, isHarmless, isSummary } from './diagnose.ts';
import type { Ending } from './diagnose.ts';

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
  /** Patterns of names, as bsdtar has them, that are left out. */
  exclude?: readonly string[];
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
 * that. What comes after the end mark of an archive is another archive, as `cat base.tar site.tar` makes it, and is unpacked too. File flags are left alone: an immutable file could not be deleted any more. Its call of chroot is what its jail waits for.
 */
const unpack = ({ exclude = [] }: UnpackOptions = {}) => [
  'bsdtar',
  '-x',
  '-p',
  '-f',
  '-',
  '--ignore-zeros',
  '--numeric-owner',
  '--acls',
  '--xattrs',
  '--no-fflags',
  ...exclude.flatMap((pattern) => ['--exclude', pattern]),
  '--chroot',
];

/**
 * Starts `decompressor | bsdtar` into an existing directory, over what is there. That is the root of bsdtar, so that nothing
 * outside can be written whatever the archive holds; both run in a jail. Aborting the signal kills both programs.
 *
 * The two are connected directly: plain bytes never pass through this process.
 */
export function startUnpacking(
  directory: string,
  decompressor: Decompressor,
  signal: AbortSignal,
  options: UnpackOptions = {},
): Unpacking {
  const tar = start(unpack(options), restoring(directory), 'pipe', 'ignore', signal);
  const tarInput = tar.stdin as Writable;
  const ends = [follow(tar, 'bsdtar')];
  let input = tarInput;
  if (decompressor) {
    const child = startDecompressor(decompressor, 'pipe', tarInput, signal);
    // Only the decompressor may hold this end, or bsdtar would wait for ever for its closing.
    tarInput.destroy();
    input = child.stdin as Writable;
    ends.unshift(follow(child, decompressor[0]));
  }
  const end = trackEnd();
  let broken = false;
  // Why a program does not read any more is told by how it ended.
  input.on('error', () => (broken = true));
  input.on('close', () => (broken = true));

  return {
    async write(chunk) {
      end.count(chunk);
      if (!broken && !input.write(chunk)) await drained(input);
    },
    async finish() {
      if (!broken) input.end(decompressor ? undefined : end.missing());
      const failure = diagnose(await Promise.all(ends));
      signal.throwIfAborted();
      if (failure) throw failure;
    },
    unpackedBytes: () => countBytes(tar.pid),
  };
}

/** The same for a file, in which bsdtar can go to and fro; it must be at its beginning. */
export function unpackFile(directory: string, file: FileHandle, signal: AbortSignal): Omit<Unpacking, 'write'> {
  const tar = start(unpack(), restoring(directory), file.fd, 'ignore', signal);
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

/**
 * Throws UnsupportedArchive unless a tar stream comes out of a compressed archive, of which `head` is the beginning: bsdtar would
 * decompress a second time, without a limit.
 */
export async function checkTar(decompressor: readonly string[], head: Uint8Array, signal: AbortSignal): Promise<void> {
  const child = startDecompressor(decompressor, 'pipe', 'pipe', signal);
  const [ended, input] = [follow(child, decompressor[0] ?? ''), child.stdin as Writable];
  input.on('error', () => undefined).end(head);
  let header = Buffer.alloc(0);
  for await (const piece of child.stdout as Readable) {
    header = Buffer.concat([header, piece as Uint8Array]);
    if (header.length < tarHeaderBytes) continue;
    child.kill('SIGKILL');
    break;
  }
  const ending = await ended;
  signal.throwIfAborted();
  if (isTar(header)) return;
  // Why it gave nothing is told by what it said, unless that is only that the rest of the archive is missing.
  if (header.length < tarHeaderBytes) {
    const failure = diagnose([ending]);
    if (failure) throw failure;
  }
  throw notTar(header);
}

const restoring = (root: string): Jail => ({ work: 'restore', root, memoryBytes: tarBytes });
const decompressing: Jail = { work: 'filter', memoryBytes: decompressorBytes };

/**
 * Zeros after the end mark of a plain archive need not be whole blocks, but bsdtar, which looks for another archive there, takes
 * a part of a block for the beginning of one. `missing` gives what makes it whole.
 */
function trackEnd() {
  let [bytes, zeros] = [0, 0];
  return {
    count(chunk: Uint8Array) {
      bytes += chunk.length;
      let found = 0;
      while (found < chunk.length && found < 3 * blockBytes && chunk[chunk.length - 1 - found] === 0) found += 1;
      zeros = found === chunk.length ? zeros + found : found;
    },
    missing() {
      const over = bytes % blockBytes;
      // The end mark is two blocks.
      return Buffer.alloc(over > 0 && zeros >= 2 * blockBytes + over ? blockBytes - over : 0);
    },
  };
}
const blockBytes = 512;

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
