import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { programEnvironment, readLines } from '../program.ts';
import type { Decompressor } from './compression.ts';
import { diagnose, isHarmless, isSummary } from './diagnose.ts';
import type { Ending } from './diagnose.ts';

/** An archive being unpacked. */
export interface Unpacking {
  /** Hands over the next bytes; resolves when more are welcome. Once unpacking has failed it does nothing. */
  write(chunk: Uint8Array): Promise<void>;
  /** Says that there are no more bytes and waits for the programs. Throws a FetchError unless all was unpacked. */
  finish(): Promise<void>;
  /** Bytes so far, of the plain tar stream or, of a zip archive, of the files; undefined where the kernel does not count them. */
  unpackedBytes(): Promise<number | undefined>;
}

export interface UnpackOptions {
  /** Patterns of names, as bsdtar has them, that are left out. */
  exclude?: readonly string[];
  /** Throws unless so many bytes more find room on the disk. Asked where an archive lies beside its tree for a while. */
  ensure?: (bytes: number) => Promise<void>;
}

/** Options of bsdtar. Names of users are not looked up (numeric owners), because inside of the chroot the archive's own libraries
 * would do that. File flags are left alone: an immutable file could not be deleted any more. */
const unpackInto = (directory: string, { exclude = [] }: UnpackOptions = {}) => [
  '-x',
  '-p',
  '-f',
  '-',
  '--numeric-owner',
  '--acls',
  '--xattrs',
  '--no-fflags',
  ...exclude.flatMap((pattern) => ['--exclude', pattern]),
  '--chroot',
  '-C',
  directory,
];

/**
 * Starts `decompressor | bsdtar` into an existing directory, over what is there. bsdtar is chrooted there, so that nothing outside can be
 * written whatever the archive holds. Aborting the signal kills both programs.
 *
 * The two are connected directly: plain bytes never pass through this process.
 */
export function startUnpacking(
  directory: string,
  decompressor: Decompressor,
  signal: AbortSignal,
  options: UnpackOptions = {},
): Unpacking {
  const tar = start(['bsdtar', ...unpackInto(directory, options)], 'pipe', 'ignore', signal);
  const tarInput = tar.stdin as Writable;
  const ends = [follow(tar, 'bsdtar')];
  let input = tarInput;
  if (decompressor) {
    const child = start(decompressor, 'pipe', tarInput, signal);
    // Only the decompressor may hold this end, or bsdtar would wait for ever for its closing.
    tarInput.destroy();
    input = child.stdin as Writable;
    ends.unshift(follow(child, decompressor[0]));
  }
  let broken = false;
  // Why a program does not read any more is told by how it ended.
  input.on('error', () => (broken = true));
  input.on('close', () => (broken = true));

  return {
    async write(chunk) {
      if (!broken && !input.write(chunk)) await drained(input);
    },
    async finish() {
      if (!broken) input.end();
      const failure = diagnose(await Promise.all(ends));
      signal.throwIfAborted();
      if (failure) throw failure;
    },
    unpackedBytes: () => countBytes(tar.pid, 'rchar'),
  };
}

/** The same for a file, in which bsdtar can go to and fro; it must be at its beginning. */
export function unpackFile(directory: string, file: FileHandle, signal: AbortSignal): Omit<Unpacking, 'write'> {
  const tar = start(['bsdtar', ...unpackInto(directory)], file.fd, 'ignore', signal);
  const ended = follow(tar, 'bsdtar');
  return {
    async finish() {
      const failure = diagnose([await ended]);
      signal.throwIfAborted();
      if (failure) throw failure;
    },
    // What it reads is still compressed.
    unpackedBytes: () => countBytes(tar.pid, 'wchar'),
  };
}

function start(
  [command = '', ...args]: readonly string[],
  stdin: 'pipe' | number,
  stdout: 'ignore' | Writable,
  signal: AbortSignal,
): ChildProcess {
  return spawn(command, args, {
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

/** Waits for a program and keeps its last complaint. It never rejects. */
async function follow(child: ChildProcess, command: string): Promise<Ending> {
  let complaint = '';
  let harmlessLines = 0;
  const lines = readLines(child.stderr as Readable, (line) => {
    if (isHarmless(line)) harmlessLines += 1;
    else if (line.trim() !== '' && !isSummary(line)) complaint = line.trim();
  });
  const ended = new Promise<Pick<Ending, 'code' | 'signal'>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    // Also what cannot be started is closed, but without having said why.
    child.once('error', (error) => (complaint ||= error.message));
  });
  const [end] = await Promise.all([ended, lines.catch(() => undefined)]);
  // bsdtar exits with 1 also when all that it had to say was harmless.
  const code = end.code === 1 && complaint === '' && harmlessLines > 0 ? 0 : end.code;
  return { command, ...end, code, complaint };
}

/** Bytes that a program has read or written; undefined where the kernel does not count them, and when it has ended. */
async function countBytes(pid: number | undefined, what: 'rchar' | 'wchar'): Promise<number | undefined> {
  const io = await readFile(`/proc/${pid ?? 0}/io`, 'utf8').catch(() => '');
  const bytes = new RegExp(`^${what}: (\\d+)$`, 'm').exec(io)?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}
