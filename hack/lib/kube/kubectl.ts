import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathOf } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject, ObjectName } from '../../../src/runtime/object.ts';
import { run } from '../process.ts';
import { waitFor } from './wait.ts';
import type { Finished, RunOptions } from '../process.ts';

/** kubectl with typed answers: what a user would type, so that what the demo and the tests see is what users see. */
export interface Kubectl {
  /** The environment that its kubectl runs in: KUBECONFIG, and a PATH with the programs of hack/cluster. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs it to its end, whatever its code. */
  try(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Its output; throws what it said when it failed. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** The object with all its fields, also managedFields; undefined when there is none. */
  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined>;
  list<T extends KubeObject>(
    resource: Resource<T>,
    where?: { namespace?: string; labelSelector?: string },
  ): Promise<T[]>;
  /** Server-side apply under the name of one field manager. */
  apply(objects: readonly object[], fieldManager: string): Promise<void>;
  /**
   * Runs a command in the first container of `target` (a Pod, or deployment/NAME). Its output may be lost although its code is 0
   * (kubernetes issue 124571): where the output counts, use `shell`.
   */
  exec(target: ObjectName, command: readonly string[], options?: RunOptions): Promise<Finished>;
  /**
   * Runs a script, with `args` as $1 and so on, in the first container of `target` and gives its whole output and its code. It
   * is run again when kubectl lost the connection or the end of the output, so it must be one that may run twice.
   */
  shell(target: ObjectName, script: string, ...args: string[]): Promise<Finished>;
}

/** What a script prints last; without it, some of the output is missing. */
const endMark = 'end-of-output';
const endOfOutput = new RegExp(`^([^]*)\\n${endMark} (\\d+)$`);

/** The kubectl of hack/cluster, or the one on the PATH where there is none. */
export function createKubectl(kubeconfig: string, env: NodeJS.ProcessEnv = process.env): Kubectl {
  const cache = env['MONOROOT_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'monoroot');
  const programs = join(cache, 'bin/current');
  const path = existsSync(join(programs, 'kubectl')) ? `${programs}${delimiter}${env['PATH'] ?? ''}` : env['PATH'];
  const own = { ...env, KUBECONFIG: kubeconfig, PATH: path };

  const attempt = (args: readonly string[], options: RunOptions = {}) =>
    run('kubectl', args, { timeoutSeconds: 300, ...options, env: own });
  const must = async (args: readonly string[], options?: RunOptions) => succeeded(args, await attempt(args, options));
  const exec: Kubectl['exec'] = ({ name, namespace }, command, options = {}) => {
    const stdin = options.input === undefined ? [] : ['--stdin'];
    return attempt(['exec', ...stdin, `--namespace=${namespace ?? 'default'}`, name, '--', ...command], options);
  };
  const raw = (path: string) => attempt(['get', '--raw', path], { timeoutSeconds: 20 });

  return {
    env: own,
    try: attempt,
    run: must,
    async get<T extends KubeObject>(resource: Resource<T>, name: ObjectName) {
      const path = pathOf(resource, name);
      const answer = await raw(path);
      if (answer.code !== 0 && answer.stderr.includes('(NotFound)')) return undefined;
      return JSON.parse(succeeded(['get', path], answer)) as T;
    },
    async list<T extends KubeObject>(
      resource: Resource<T>,
      where: { namespace?: string; labelSelector?: string } = {},
    ) {
      const query =
        where.labelSelector === undefined ? '' : `?labelSelector=${encodeURIComponent(where.labelSelector)}`;
      const path = pathOf(resource, where) + query;
      return (JSON.parse(succeeded(['get', path], await raw(path))) as { items: T[] }).items;
    },
    async apply(objects, fieldManager) {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await must(['apply', '--server-side', '--force-conflicts', `--field-manager=${fieldManager}`, '-f', '-'], {
        input,
      });
    },
    exec,
    shell: (target, script, ...args) =>
      waitFor(
        `a script in ${target.name}`,
        async () => {
          const command = ['sh', '-c', `(${script}\n); printf '\\n%s %d' ${endMark} $?`, 'sh', ...args];
          const { stdout, stderr } = await exec(target, command, { timeoutSeconds: 60 });
          const [, output, code] = endOfOutput.exec(stdout) ?? [];
          if (output === undefined) return { waiting: stderr.trim() || 'its output was lost' };
          return { done: { code: Number(code), stdout: output, stderr } };
        },
        { seconds: 30 },
      ),
  };
}

function succeeded(args: readonly string[], { code, stdout, stderr }: Finished): string {
  if (code === 0) return stdout;
  const why = stderr.trim() || stdout.trim() || `it ended with code ${code}`;
  throw new Error(`kubectl ${args.slice(0, 6).join(' ')}: ${why}`);
}
