import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryDirectory } from '../../../test/fixtures/binaries.ts';

/** Programs that end with the bench, whatever way that ends. */
export interface Programs {
  /** Starts one; its output goes to `<name>.log`. The bench fails when it ends before `stop`. */
  start(name: string, program: string, args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Where a program of Kubernetes is. */
  path(name: string): string;
  /** Ends one, which is then no failure. */
  end(child: ChildProcess, signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Rejects when one has ended by itself. */
  readonly failed: Promise<never>;
  /** Asks each to end, the last one first, and kills it when it does not within five seconds. */
  stop(): Promise<void>;
}

export function createPrograms(directory: string): Programs {
  const children: { name: string; child: ChildProcess }[] = [];
  const ending = new Set<ChildProcess>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  process.once('exit', () => {
    for (const { child } of children) child.kill('SIGKILL');
  });
  const end = async (child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') => {
    ending.add(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  };
  return {
    failed: failure.promise,
    start(name, program, args, env) {
      const path = join(directory, `${name}.log`);
      const log = openSync(path, 'a');
      const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
      children.push({ name, child });
      child.once('error', (error) => failure.reject(error));
      child.once('exit', (code, signal) => {
        if (ending.has(child)) return;
        const lines = readFileSync(path, 'utf8').trim().split('\n').slice(-15).join('\n');
        failure.reject(new Error(`${name} ended (${code ?? signal ?? 'unknown'}):\n${lines}`));
      });
      return child;
    },
    path: (name) => join(binaryDirectory(), name),
    end,
    async stop() {
      for (const { child } of children) ending.add(child);
      for (const { child } of children.reverse()) await end(child);
    },
  };
}
