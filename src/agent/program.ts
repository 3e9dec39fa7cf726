import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** Programs are found in the usual places and speak plain UTF-8, whatever the agent was started with. */
export const programEnvironment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

const longestLine = 1024;

/** Calls `line` for each line of a stream, of which only the first 1024 characters are kept; resolves at its end. */
export async function readLines(stream: Readable, line: (text: string) => void): Promise<void> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const pieces = (rest + String(chunk)).split('\n');
    rest = (pieces.pop() ?? '').slice(0, longestLine);
    for (const piece of pieces) line(piece.slice(0, longestLine));
  }
  if (rest !== '') line(rest);
}

/** Runs a program to its end, on `input` if given. Throws, with the last line that it wrote, unless it exits with 0. Aborting kills it. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { input, ...options }: { signal?: AbortSignal; input?: Buffer } = {},
): Promise<void> {
  const child = spawn(command, args, {
    stdio: [input ? 'pipe' : 'ignore', 'ignore', 'pipe'],
    env: programEnvironment,
    killSignal: 'SIGKILL',
    ...options,
  });
  // Why a program does not read all of it is told by how it ended.
  child.stdin?.on('error', () => undefined).end(input);
  let last = '';
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [code] = await Promise.all([ended, readLines(child.stderr as Readable, (line) => (last = line))]);
  if (code !== 0) throw new Error(`${command} ended with ${code ?? child.signalCode ?? 'an error'}: ${last}`);
}
