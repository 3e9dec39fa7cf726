import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInterface } from 'node:readline';

export interface Finished {
  /** -1: ended by a signal. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  /** What the program reads. */
  input?: string | Readable;
  /** It is killed after that. */
  timeoutSeconds?: number;
  /** Gets each line of both outputs as it comes, without its end. */
  onLine?: (line: string, from: 'stdout' | 'stderr') => void;
}

/** Runs a program to its end; a code other than 0 is a result like any other. Throws when it cannot be started. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { input, onLine, timeoutSeconds } = options;
  const child = spawn(program, args, {
    env: options.env ?? process.env,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(timeoutSeconds !== undefined && { timeout: timeoutSeconds * 1000, killSignal: 'SIGKILL' as const }),
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? -1));
  });
  const outputs = (['stdout', 'stderr'] as const).map((name) =>
    collect(child[name], onLine && ((line) => onLine(line, name))),
  );
  // A program that does not read all of its input says by its code whether that is wrong.
  const fed = child.stdin && input !== undefined ? pipeline(input, child.stdin).catch(() => undefined) : undefined;
  const [code, stdout = '', stderr = ''] = await Promise.all([ended, ...outputs, fed]);
  return { code, stdout, stderr };
}

async function collect(stream: Readable | null, onLine: ((line: string) => void) | undefined): Promise<string> {
  if (!stream) return '';
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (onLine) createInterface({ input: stream }).on('line', onLine);
  await new Promise((resolve) => stream.once('close', resolve));
  return Buffer.concat(chunks).toString('utf8');
}
