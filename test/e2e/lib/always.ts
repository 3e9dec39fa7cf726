import { expect } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { Pod } from '../../../src/api/kubernetes/objects.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import type { Answer } from './poll.ts';
import type { Sighting } from './watch.ts';

/** What must hold at every moment, whatever breaks; judged by what a watch and a poller wrote down. */

const toleranceSeconds = 5;
/** On a busy machine kube-proxy writes the address of a Pod that is Ready so late; the container answers all the same. */
const serviceSeconds = 30;

/** Its status says "Ready". */
export const isReady = ({ object }: Sighting<HostedContainer>): boolean =>
  findCondition(object.status?.conditions, 'Ready')?.status === 'True';

/** The Pod of that time was Ready by the word of the kubelet. */
function wasPodReady(pods: readonly Sighting<Pod>[], at: number): boolean {
  const seen = pods.findLast((it) => it.at < at + toleranceSeconds * 1000);
  const isGone = seen?.type === 'DELETED' || seen?.object.metadata.deletionTimestamp !== undefined;
  return !isGone && (seen?.object.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false);
}

/**
 * Each time that an operator said "Ready", the page was answered within the seconds around it. It is asked for through a
 * Service: when the Pod was Ready, that is given longer, as it is no promise of ours how soon a Service follows.
 */
export async function expectHonest(
  states: readonly Sighting<HostedContainer>[],
  answers: () => Promise<Answer[]>,
  pods: readonly Sighting<Pod>[] = [],
): Promise<void> {
  // An answer from after all that was said: the last one may be older than the Pod.
  const newest = states.at(-1)?.at ?? 0;
  const since = async () => (await answers()).filter(({ at, page }) => page !== '' && at > newest).length;
  await expect.poll(since, { timeout: 30_000 }).toBeGreaterThan(0);
  const answered = await answers();
  const status = (state: Sighting<HostedContainer> | undefined) => JSON.stringify(state?.object.status);
  const watched = states.filter(({ at }) => at > (answered[0]?.at ?? Infinity));
  const said = watched.filter((state, i) => i > 0 && isReady(state) && status(state) !== status(watched[i - 1]));
  const isNear = (at: number, { page, at: then }: Answer) =>
    page !== '' && Math.abs(then - at) < toleranceSeconds * 1000;
  const isSoon = (at: number, { page, at: then }: Answer) =>
    page !== '' && then >= at && then - at < serviceSeconds * 1000;
  const isTrue = (at: number) =>
    answered.some((answer) => isNear(at, answer)) ||
    (wasPodReady(pods, at) && answered.some((answer) => isSoon(at, answer)));
  const lies = said.filter(({ at }) => !isTrue(at));
  expect(lies.map(({ at, object }) => [at, object.status?.conditions])).toEqual([]);
}

/** No Pod came before the one before it was gone. */
export function expectOneAtATime(runs: readonly Sighting<KubeObject>[]): void {
  const alive = new Set<string | undefined>();
  for (const { type, object } of runs) {
    if (type === 'DELETED') alive.delete(object.metadata.uid);
    else alive.add(object.metadata.uid);
    expect(alive.size).toBeLessThanOrEqual(1);
  }
}
