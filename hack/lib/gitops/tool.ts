import { execFileSync, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kubectl } from '../kube/kubectl.ts';
import { waitFor } from '../kube/wait.ts';
import type { GitServer } from './git-server.ts';

/** What a GitOps tool says of everything that it applies. */
export interface Judgement {
  health: 'Healthy' | 'Progressing' | 'Degraded';
  /** Of Git, that it speaks of. */
  commit: string;
  message: string;
}

/** A GitOps tool that runs on this machine against the cluster of a kubeconfig. */
export interface Tool {
  /** Begins to apply the folder `shops` of the repository. */
  follow(git: GitServer): Promise<void>;
  judge(): Promise<Judgement>;
  /** How often it has compared the cluster with Git. */
  rounds(): number;
  /** Ends its programs. */
  stop(): Promise<void>;
}

export interface Started {
  log: string;
  stop(): Promise<void>;
}

const root = join(import.meta.dirname, '../../..');

/** A directory of a Go module that a program of hack/cluster-modules is built of. */
export const moduleDirectory = (module: string, path: string): string =>
  execFileSync('go', ['list', '-m', '-f', '{{.Dir}}', path], {
    cwd: join(root, 'hack/cluster-modules', module),
    encoding: 'utf8',
  }).trim();

/** Starts a program that runs until it is stopped, and waits until `url` answers with 200. */
export async function start(
  program: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; directory: string; url?: string },
): Promise<Started> {
  const log = join(options.directory, `${program}.log`);
  const file = openSync(log, 'a');
  const child = spawn(program, args, {
    env: options.env,
    cwd: options.directory,
    stdio: ['ignore', file, file],
  });
  let failure = '';
  child.once('error', (error) => (failure = error.message));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const look = async () => {
    if (child.exitCode !== null) failure = `it ended with ${child.exitCode}`;
    if (failure !== '') return { done: false };
    if (options.url === undefined) return { done: true };
    const { status } = await fetch(options.url);
    return status === 200 ? { done: true } : { waiting: String(status) };
  };
  const explain = () => Promise.resolve(readFileSync(log, 'utf8').slice(-2000));
  if (!(await waitFor(`${program} answers`, look, { seconds: 120, explain })))
    throw new Error(`${program}: ${failure}\n${await explain()}`);
  return {
    log,
    async stop() {
      process.off('exit', kill);
      if (child.exitCode !== null || child.pid === undefined) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      kill();
      await ended;
    },
  };
}

/** Applies files of definitions and waits until the API server serves them. */
export async function establish(kubectl: Kubectl, files: readonly string[]): Promise<void> {
  const named = files.flatMap((file) => ['-f', file]);
  await kubectl.run(['apply', '--server-side', '--force-conflicts', ...named]);
  await kubectl.run(['wait', '--for=condition=Established', '--timeout=60s', ...named]);
}
