import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Recipe } from '../api/buildrun.ts';
import type { LiteralDefaults } from '../api/osimage.ts';
import { exitOf, readLines, startProgram } from '../system/programs.ts';
import type { Exit } from '../system/programs.ts';
import { errorCode } from '../system/errors.ts';
import { because } from './failure.ts';
import { FailedProgram, howEnded } from './programs.ts';

/** A tree as a compressed tar file; equal trees give equal bytes. */
export interface Packed {
  file: string;
  /** `sha256:…` of the file. */
  digest: string;
  /** `sha256:…` before compression. */
  diffId: string;
  bytes: number;
}

/** What a bundle has beside its tree. */
export interface BundleFiles {
  mountScript: string | undefined;
  defaults: LiteralDefaults | undefined;
}

/** Packs the tree itself, as a layer that any container runtime understands. */
export async function packTree(root: string, file: string, epoch: number, signal: AbortSignal): Promise<Packed> {
  return pack(['-C', root, '.'], file, epoch, signal);
}

/** Packs the tree, `work/root`, with its mount script as a bundle, which nodes understand wherever it comes from. */
export async function packBundle(
  { os, version, architecture, build }: Recipe,
  { mountScript, defaults }: BundleFiles,
  work: string,
  file: string,
  signal: AbortSignal,
): Promise<Packed> {
  const beside = join(work, 'bundle');
  await mkdir(beside, { recursive: true });
  const json = { os, version, architecture, ...(defaults && { defaults }) };
  await writeFile(join(beside, 'bundle.json'), `${JSON.stringify(json)}\n`);
  await chmod(join(beside, 'bundle.json'), 0o644);
  const names = ['bundle.json'];
  if (mountScript !== undefined) {
    await writeFile(join(beside, 'mount.sh'), mountScript);
    await chmod(join(beside, 'mount.sh'), 0o755);
    names.push('mount.sh');
  }
  return pack(['-C', beside, ...names, '-C', work, 'root'], file, build.sourceDateEpoch, signal);
}

/**
 * Names are sorted, owners are numbers, no time is after `epoch`, and the times that a kernel keeps for itself are left out. Of
 * extended attributes there are those of users, file capabilities, and ACLs: as a text these would have names of the users of this
 * machine, and nodes refuse what has no numbers. Others belong to a machine.
 */
const tarOptions = (epoch: number) => [
  '--create',
  '--format=posix',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  '--sort=name',
  '--numeric-owner',
  `--mtime=@${epoch}`,
  '--clamp-mtime',
  '--xattrs',
  '--xattrs-include=user.*',
  '--xattrs-include=security.capability',
  '--xattrs-include=system.posix_acl_*',
];

/** With one thread and with more zstd writes other bytes; with any number of more the same. */
const zstd = ['zstd', '-q', '-9', '-T2', '--stdout'] as const;

async function pack(names: string[], file: string, epoch: number, signal: AbortSignal): Promise<Packed> {
  const work = packWith(names, file, epoch, signal);
  return work.catch(because('PackFailed', 'The tree cannot be packed', 'look at the log of the build'));
}

async function packWith(names: string[], file: string, epoch: number, signal: AbortSignal): Promise<Packed> {
  const tar = start(['tar', ...tarOptions(epoch), ...names], 'ignore', signal);
  const compressor = start(zstd, 'pipe', signal);
  const [plain, compressed] = [createHash('sha256'), createHash('sha256')];
  let bytes = 0;
  const { stdin } = compressor.child;
  if (!stdin) throw new Error('There is no pipe');
  const pipes = Promise.allSettled([
    pipeline(tar.output, through(plain), stdin),
    pipeline(
      compressor.output,
      through(compressed, (length) => (bytes += length)),
      createWriteStream(file),
    ),
  ]);
  // Why a pipe broke is reported by how a program ended.
  const programs = await Promise.allSettled([tar.ended, compressor.ended]);
  const results = [...programs, ...(await pipes)];
  signal.throwIfAborted();
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason as Error;
  const digest = (hash: Hash) => `sha256:${hash.digest('hex')}`;
  return { file, digest: digest(compressed), diffId: digest(plain), bytes };
}

function start(program: readonly string[], stdin: 'ignore' | 'pipe', signal: AbortSignal) {
  const child = startProgram(program, { stdio: [stdin, 'pipe', 'pipe'], signal });
  const { stdout, stderr } = child as { stdout: Readable; stderr: Readable };
  return { child, output: stdout, ended: goodEnd(program[0] ?? '', exitOf(child), stderr) };
}

async function goodEnd(command: string, exit: Promise<Exit>, stderr: Readable): Promise<void> {
  const lines: string[] = [];
  const complaints = readLines(stderr, (line) => lines.push(line));
  const { code, signal } = await exit.catch((error: unknown) => {
    throw failure(error, command);
  });
  await complaints;
  if (code !== 0) throw new FailedProgram(command, howEnded(code, signal), lines);
}

const failure = (error: unknown, command: string): unknown =>
  errorCode(error) === 'ENOENT' ? new FailedProgram(command, 'is not there', [], true) : error;

function through(hash: Hash, count: (length: number) => void = () => undefined): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      count(chunk.length);
      done(null, chunk);
    },
  });
}
