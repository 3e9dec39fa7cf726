import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '../../../src/kube/client.ts';
import { hostedContainers } from '../../../src/kube/kinds.ts';
import { pods } from '../../../src/kube/resources.ts';
import { createContainers, forEach } from './objects.ts';
import type { Operator } from './operator.ts';

/** What a fleet at rest is asked to stand. */

export interface Trials {
  /** Keys that waited each second while containers were changed. */
  waiting: number[];
  /** Until a standby acted: after the leader released its Lease, and after it was killed. */
  releaseSeconds: number;
  killSeconds: number;
}

/** Changes `perSecond` containers each second. Returns the number of waiting keys after each second. */
export async function changeContainers(
  client: Client,
  operator: Operator,
  {
    namespace,
    names,
    perSecond,
    seconds,
  }: { namespace: string; names: readonly string[]; perSecond: number; seconds: number },
): Promise<number[]> {
  const waiting: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const next = delay(1000);
    const some = Array.from({ length: perSecond }, (_, i) => names[(second * perSecond + i) % names.length] ?? '');
    const minReadySeconds = 6 + second;
    await forEach(some, 10, (name) =>
      client.mergePatch(
        hostedContainers,
        { namespace, name },
        { spec: { upgrade: { minReadySeconds } } },
        { fieldManager: 'bench' },
      ),
    );
    await next;
    waiting.push(await operator.waiting());
  }
  return waiting;
}

/** Ends the leader, asks for one more container at that moment, and gives the seconds until the next leader has made its Pod. */
export async function handOver(
  client: Client,
  leader: Operator,
  {
    namespace,
    name,
    os,
    how,
    limitSeconds,
  }: { namespace: string; name: string; os: string; how: 'SIGTERM' | 'SIGKILL'; limitSeconds: number },
): Promise<number> {
  const ended = leader.end(how);
  const from = performance.now();
  await ended;
  await createContainers(client, namespace, [name], os, 1);
  while ((await client.get(pods, { namespace, name })) === undefined) {
    if (performance.now() - from > limitSeconds * 1000)
      throw new Error(`No leader acted within ${limitSeconds} s after ${how}`);
    await delay(50);
  }
  return (performance.now() - from) / 1000;
}
