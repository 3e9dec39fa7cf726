import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { build } from 'esbuild';
import { readLines, programEnvironment } from '../../system/programs.ts';
import type { Life } from './life.ts';

/** Why no agent can be traced here; undefined when it can. */
export function whyNoTracing(): string | undefined {
  return spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0
    ? undefined
    : 'needs strace, and to be let';
}

/** Makes one file of the program `life.ts`: it starts several times as fast. */
export async function bundleLife(directory: string): Promise<string> {
  const outfile = join(directory, 'life.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'life.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);" },
    logLevel: 'warning',
  });
  return outfile;
}

export interface Ended {
  /** The steps that were seen, such as `agent rename`, in their order. */
  steps: string[];
  /** Whether the last of them was the last of all: it was killed there. */
  killed: boolean;
  /** What it wrote to its standard output; with `killed` nothing. */
  output: string;
  stderr: string;
}

/** Calls that change a file system or make a change durable. */
const stepCalls =
  'mkdir,mkdirat,rename,renameat,renameat2,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,mknod,mknodat,' +
  'chmod,fchmod,fchmodat,fchown,lchown,fchownat,utimensat,setxattr,lsetxattr,fsetxattr,ftruncate,fsync,fdatasync,syncfs';
/** How many equal steps of a helper are walked, each time it runs: what makes a hundred files does the same a hundred times. */
const mostEqual = 2;

/**
 * Runs the program and kills all of its processes with SIGKILL directly after the step of this number, from 1 on. Each process
 * is held at each of its steps until it is let on, so that no step is missed. `beforeKill` is called when the step is done.
 */
export function runUntil(file: string, life: Life, number: number, beforeKill = () => {}): Promise<Ended> {
  const options = ['-e', `trace=execve,${stepCalls}`, '-e', `inject=${stepCalls}:signal=STOP`];
  return trace(file, life, options, number, beforeKill);
}

/** Runs the program to its end; what strace is told makes some of its calls fail. */
export function runWithFault(file: string, life: Life, ...options: string[]): Promise<Ended> {
  return trace(file, life, options, Infinity);
}

async function trace(
  file: string,
  life: Life,
  options: string[],
  killAt: number,
  beforeKill = () => {},
): Promise<Ended> {
  const program = [process.execPath, file, JSON.stringify(life)];
  const child = spawn('strace', ['-f', '-qq', '-o', '|cat >&4', ...options, '--', ...program], {
    // The last two tell when no process of all is left: they hold an end of it.
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: { PATH: programEnvironment.PATH, UV_THREADPOOL_SIZE: '1' },
    detached: true,
  });
  const ended: Ended = { steps: [], killed: false, output: '', stderr: '' };
  const programs = new Map<string, string>();
  const equal = new Map<string, number>();
  /** What each process, or thread, did last: their lines come mixed, and a call may be told in two. */
  const calls = new Map<string, string>();

  const nameOf = (pid: string) => programs.get(pid) ?? 'agent';
  /** Whether it is one to be walked: each of the agent's own is. */
  function isStep(pid: string): boolean {
    const key = `${pid} ${calls.get(pid) ?? ''}`;
    const count = (equal.get(key) ?? 0) + 1;
    equal.set(key, count);
    return nameOf(pid) === 'agent' || count <= mostEqual;
  }
  function onStop(pid: string): void {
    if (ended.killed) return;
    if (isStep(pid)) ended.steps.push(`${nameOf(pid)} ${calls.get(pid) ?? ''}`);
    ended.killed = ended.steps.length >= killAt;
    if (ended.killed) {
      try {
        beforeKill();
      } finally {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      }
    } else process.kill(Number(pid), 'SIGCONT');
  }
  function onLine(line: string): void {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const executed = /^execve\("(?:[^"]*\/)?([^"/]+)"/.exec(text)?.[1];
    if (executed !== undefined) programs.set(pid, executed === 'node' ? 'agent' : executed);
    const call = /^(\w+)\(/.exec(text)?.[1];
    if (call !== undefined) calls.set(pid, call);
    if (text.endsWith('(INJECTED)')) ended.steps.push(calls.get(pid) ?? '');
    if (text.startsWith('--- SIGSTOP')) onStop(pid);
  }
  (child.stdio[3] as Readable).resume();
  const closed = new Promise((resolve) => child.once('close', resolve));
  await Promise.all([
    readLines(child.stdio[4] as Readable, onLine),
    readLines(child.stdout as Readable, (line) => (ended.output += line)),
    readLines(child.stderr as Readable, (line) => (ended.stderr += `${line}\n`)),
    closed,
  ]);
  return ended;
}
