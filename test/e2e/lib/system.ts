import { join } from 'node:path';
import { inject } from 'vitest';
import { createKubectl } from '../../../hack/lib/kube/kubectl.ts';
import { explain } from '../../../hack/lib/kube/explain.ts';
import { waitFor } from '../../../hack/lib/kube/wait.ts';
import { run } from '../../../hack/lib/process.ts';
import { systemNamespace } from '../../../src/api/names.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { Condition } from '../../../src/runtime/conditions.ts';
import type { KubeObject, ObjectName } from '../../../src/runtime/object.ts';

/** The cluster under test, as a user reaches it. */
export const kubectl = createKubectl(inject('kubeconfig'));
/** Where the containers of the tests live; another one keeps two runs on one cluster apart. */
export const namespace = process.env['MONOROOT_E2E_NAMESPACE'] ?? 'monoroot-e2e';
export const fieldManager = 'e2e';

const repository = join(import.meta.dirname, '..', '..', '..');

/** Runs a program of hack/ to its end and gives what it printed; throws when it failed. */
export async function hack(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(join(repository, 'hack', program), args, {
    env: kubectl.env,
    timeoutSeconds: 600,
  });
  if (code !== 0) throw new Error(`hack/${program} ${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  return stdout;
}

interface WithConditions extends KubeObject {
  status?: { conditions?: Condition[] | undefined };
}

/** The object once `holds` is true of it. On failure the error tells its conditions and events. */
export function until<T extends KubeObject>(
  resource: Resource<T>,
  name: ObjectName,
  description: string,
  holds: (object: T) => boolean,
  seconds = 60,
): Promise<T> {
  return waitFor(
    `${resource.kind} ${name.name}: ${description}`,
    async () => {
      const object = await kubectl.get(resource, name);
      return object && holds(object) ? { done: object } : { waiting: summary(object) };
    },
    { seconds, interval: 0.2, explain: () => explain(kubectl, resource, name) },
  );
}

/** Whether a condition has this `Status/Reason`, for the newest generation. */
export function has(object: WithConditions, type: string, stated: string): boolean {
  const condition = findCondition(object.status?.conditions, type);
  return (
    condition !== undefined &&
    `${condition.status}/${condition.reason}` === stated &&
    condition.observedGeneration === object.metadata.generation
  );
}

const summary = (object: WithConditions | undefined): string =>
  object
    ? (object.status?.conditions ?? []).map((c) => `${c.type}=${c.status}/${c.reason}`).join(' ') || 'no status'
    : 'it is not there';

/** Ends all operators at once, without giving them time to say good-bye. */
export const killOperators = () =>
  kubectl.run([
    '-n',
    systemNamespace,
    'delete',
    'pod',
    '-l',
    'app.kubernetes.io/component=operator',
    '--grace-period=0',
    '--force',
    '--wait=false',
  ]);
