import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessWithoutNullStreams, StdioOptions } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { linesOf } from '../runtime/lines.ts';
import { truncate } from '../runtime/text.ts';
import { jailed } from './jail.ts';
import type { Jail } from './jail.ts';

/** Programs are found in the usual places and speak plain UTF-8, whatever the agent was started with. */
export const programEnvironment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/** So that it gets out of the way of all others. */
const idlePriority = ['nice', '-n', '19', 'ionice', '-t', '-c', '3'];

const longestLine = 1024;

export interface ProgramRights {
  /** It must not get in the way of the containers. */
  idle?: boolean;
  /** What it may do; all that this process may when unset. */
  jail?: Jail;
}

/** The command that runs a program so. */
export function commandOf(program: readonly string[], { idle = false, jail }: ProgramRights): [string, ...string[]] {
  const [command = '', ...args] = [...(idle ? idlePriority : []), ...(jail ? jailed(program, jail) : program)];
  return [command, ...args];
}

export interface ProgramOptions extends ProgramRights {
  /** Kills the program. */
  signal?: AbortSignal;
  cwd?: string;
  /** Descriptor of an open file for what it writes; nothing is kept of it otherwise. */
  output?: number;
  /** What it reads: bytes, or the descriptor of an open file; nothing otherwise. */
  input?: Buffer | number;
}

export interface StartOptions extends ProgramRights {
  /** Kills the program, with SIGKILL. */
  signal?: AbortSignal | undefined;
  cwd?: string | undefined;
  /** Its whole environment; `programEnvironment` when unset. */
  env?: Readonly<Record<string, string | undefined>>;
  /** As for node:child_process; three pipes when unset. */
  stdio?: StdioOptions;
  /** Makes it the leader of a process group of its own, without a terminal. */
  detached?: boolean;
}

/**
 * Starts a program and leaves its pipes to the caller: for chains of programs, and for one that lives as long as something else. Who wants no more
 * than its end or its output calls {@link runProgram} or {@link programOutput}. How it ended is said by {@link exitOf}.
 */
export function startProgram(
  program: readonly string[],
  options: StartOptions & { stdio?: undefined },
): ChildProcessWithoutNullStreams;
export function startProgram(program: readonly string[], options: StartOptions): ChildProcess;
export function startProgram(
  program: readonly string[],
  { signal, cwd, env = programEnvironment, stdio = 'pipe', detached = false, ...rights }: StartOptions,
): ChildProcess {
  const [command, ...args] = commandOf(program, rights);
  return spawn(command, args, {
    stdio,
    env: { ...env },
    detached,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
    ...(cwd !== undefined && { cwd }),
  });
}

export interface Exit {
  /** Null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** How a program ended, when all of its pipes are closed. Rejects when it could not be started, and when its signal aborted. */
export function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/** Waits for the end of a program that `command` names. Throws, with the last line of its complaints, unless it exits with 0. */
export async function goodExitOf(child: ChildProcess, command: string): Promise<void> {
  let last = '';
  const [{ code, signal }] = await Promise.all([
    exitOf(child),
    readLines(child.stderr as Readable, (line) => (last = line)),
  ]);
  if (code !== 0) throw new Error(`${command} ended with ${code ?? signal ?? 'an error'}: ${last}`);
}

/** Calls `line` for each line of a stream, of which only the first 1024 characters are kept; resolves at its end. */
export async function readLines(stream: Readable, line: (text: string) => void): Promise<void> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const pieces = (rest + String(chunk)).split('\n');
    // One more than is kept, so that a line which goes on is known to be cut.
    rest = (pieces.pop() ?? '').slice(0, longestLine + 1);
    for (const piece of pieces) line(truncate(piece, longestLine));
  }
  if (rest !== '') line(truncate(rest, longestLine));
}

/** Runs a program to its end. Throws, with the last line of its complaints, unless it exits with 0. Aborting kills it. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<void> {
  await goodExitOf(start([command, ...args], options.output ?? 'ignore', options), command);
}

/**
 * What a program writes, in pieces, one character a byte. Throws at its end, with the last line of its complaints, unless it exits
 * with 0. Whoever stops reading early kills it.
 */
export async function* programOutput(program: readonly string[], options: ProgramOptions = {}): AsyncGenerator<string> {
  const child = start(program, 'pipe', options);
  const end = goodExitOf(child, program[0] ?? '');
  // Who stops reading does not ask how it ended.
  end.catch(() => undefined);
  const output = (child.stdout as Readable).setEncoding('latin1');
  try {
    for await (const piece of output) yield String(piece);
    await end;
  } finally {
    child.kill('SIGKILL');
  }
}

/** The lines of {@link programOutput}. */
export const programLines = (command: readonly string[], options: ProgramOptions = {}): AsyncGenerator<string> =>
  linesOf(programOutput(command, options));

function start(
  program: readonly string[],
  output: 'ignore' | 'pipe' | number,
  { input, idle, jail, signal, cwd }: ProgramOptions,
): ChildProcess {
  const rights: ProgramRights = { ...(idle !== undefined && { idle }), ...(jail && { jail }) };
  const reads = typeof input === 'object' ? 'pipe' : (input ?? 'ignore');
  const child: ChildProcess = startProgram(program, { ...rights, signal, cwd, stdio: [reads, output, 'pipe'] });
  if (typeof input === 'object') {
    // A program that does not read to the end tells why by how it ends.
    (child.stdin as Writable).on('error', () => undefined).end(input);
  }
  return child;
}
