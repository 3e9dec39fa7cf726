import { PassThrough } from 'node:stream';
import type { Command, ExitCode } from './command.ts';
import type { Host } from './host.ts';
import { runCommandLine } from './main.ts';

/** What a command line wrote, and its exit code. */
export interface Ran {
  code: ExitCode;
  stdout: string;
  stderr: string;
}

/** Runs a command line as a test does: into pipes, at a fixed time. */
export async function runForTest(
  argv: readonly string[],
  commands: readonly Command[],
  changes: Partial<Host> = {},
): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = [stdout, stderr].map(async (stream) => (await stream.setEncoding('utf8').toArray()).join(''));
  const code = await runCommandLine(argv, commands, {
    stdout,
    stderr,
    signal: new AbortController().signal,
    now: () => new Date('2026-01-01T12:00:00Z'),
    kubectl: 'kubectl',
    version: '1.2.3',
    env: {},
    system: { platform: 'linux', arch: 'x64', uid: 1000 },
    ...changes,
  });
  stdout.end();
  stderr.end();
  const [out = '', err = ''] = await Promise.all(texts);
  return { code, stdout: out, stderr: err };
}
