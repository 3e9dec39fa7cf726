import { constants } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import { basename } from 'node:path';
import { exitOf, programEnvironment, readLines, startProgram } from '../system/programs.ts';

export interface RunOptions {
  /** Besides what all programs get. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  input?: string;
  /** What it is called when it fails; its own name when unset. */
  name?: string;
  /** Its lines are not told; they are kept all the same. */
  quiet?: boolean;
  /** It ends what it has started when it gets SIGTERM. */
  endsItsOwn?: boolean;
}

/** The port through which a build runs programs. */
export interface Programs {
  /** Runs a program to its end; each line that it writes is reported. Throws a FailedProgram unless it exits with 0. */
  run(command: readonly string[], options?: RunOptions): Promise<void>;
  /** The same for a program whose output is wanted; only its complaints are reported. */
  read(command: readonly string[], options?: RunOptions): Promise<string>;
}

/** As many last lines of a program are kept, to tell why it failed. */
const keptLines = 20;

export class FailedProgram extends Error {
  override readonly name = 'FailedProgram';
  readonly command: string;
  /** The last lines that it wrote. */
  readonly lines: readonly string[];
  /** There is no such program. */
  readonly missing: boolean;

  constructor(command: string, how: string, lines: readonly string[], missing = false) {
    super(`${command} ${how}`);
    this.command = command;
    this.lines = lines;
    this.missing = missing;
  }
}

export interface ProgramPorts {
  tell: (line: string) => void;
  /** Kills what is running. */
  signal: AbortSignal;
  /** Environment of all programs. */
  env?: Record<string, string | undefined>;
}

/** Runs real programs. */
export function createPrograms({ tell, signal, env }: ProgramPorts): Programs {
  const start = (program: readonly string[], { cwd, input, env: own }: RunOptions) => {
    signal.throwIfAborted();
    const child = startProgram(program, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...programEnvironment, ...env, ...own },
      // A group of its own, without a terminal: so that nothing can ask, and all that it starts can be killed.
      detached: true,
      cwd,
    });
    child.stdin?.on('error', () => undefined).end(input);
    return child;
  };

  const run = async (argv: readonly string[], options: RunOptions, collect?: (text: string) => void): Promise<void> => {
    const child = start(argv, options);
    const command = nameOf(argv, options);
    const lines: string[] = [];
    const keep = (line: string) => {
      // What overwrites itself, as progress does, is reported as it is in the end.
      const text = line.replace(/\r+$/, '').replace(/^.*\r/, '').trimEnd();
      if (text === '') return;
      lines.push(text);
      if (lines.length > keptLines) lines.shift();
      if (options.quiet !== true) tell(text);
    };
    const kill = () => (options.endsItsOwn ? child.kill('SIGTERM') : killGroup(child));
    signal.addEventListener('abort', kill);
    try {
      const ended = exitOf(child);
      const { stdout, stderr } = child;
      if (!stdout || !stderr) throw new Error('There are no pipes');
      const output = collect ? readAll(stdout, collect) : readLines(stdout, keep);
      const [{ code, signal: by }] = await Promise.all([ended, output, readLines(stderr, keep)]);
      signal.throwIfAborted();
      if (code !== 0) throw new FailedProgram(command, howEnded(code, by), lines);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
        throw new FailedProgram(command, 'is not there', [], true);
      }
      throw error;
    } finally {
      signal.removeEventListener('abort', kill);
    }
  };

  return {
    run: (command, options = {}) => run(command, options),
    async read(command, options = {}) {
      let output = '';
      await run(command, options, (text) => (output += text));
      return output;
    },
  };
}

const nameOf = ([command = '']: readonly string[], { name }: RunOptions) => name ?? basename(command);

async function readAll(stream: AsyncIterable<unknown>, collect: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const piece of stream) collect(decoder.decode(piece as Uint8Array, { stream: true }));
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** How a program ended; a code above 128 is how shells and unshare tell of a signal that ended what they ran. */
export function howEnded(code: number | null, by: NodeJS.Signals | null): string {
  const signal = Object.entries(constants.signals).find(([, number]) => code !== null && number === code - 128)?.[0];
  return `ended with ${code ?? by ?? 'an error'}${signal === undefined ? '' : ` (${signal})`}`;
}
