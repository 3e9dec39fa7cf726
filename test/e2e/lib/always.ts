import { expect } from 'vitest';
import type { HostedContainer } from '../../../src/api/hostedcontainer.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import type { Answer } from './poll.ts';
import type { Sighting } from './watch.ts';

/** What must hold at every moment, whatever breaks; judged by what a watch and a poller wrote down. */

const toleranceSeconds = 5;

/** Its status says "Ready". */
export const isReady = ({ object }: Sighting<HostedContainer>): boolean =>
  findCondition(object.status?.conditions, 'Ready')?.status === 'True';

/**
 * Each time that an operator said "Ready", the page was answered within the seconds around it: it is asked for through a
 * Service, whose addresses follow a moment later.
 */
export async function expectHonest(
  states: readonly Sighting<HostedContainer>[],
  answers: () => Promise<Answer[]>,
): Promise<void> {
  await expect.poll(async () => (await answers()).at(-1)?.page, { timeout: 30_000 }).not.toBe('');
  const answered = await answers();
  const status = (state: Sighting<HostedContainer> | undefined) => JSON.stringify(state?.object.status);
  const watched = states.filter(({ at }) => at > (answered[0]?.at ?? Infinity));
  const said = watched.filter((state, i) => i > 0 && isReady(state) && status(state) !== status(watched[i - 1]));
  const isNear = (at: number, { page, at: then }: Answer) =>
    page !== '' && Math.abs(then - at) < toleranceSeconds * 1000;
  const lies = said.filter(({ at }) => !answered.some((answer) => isNear(at, answer)));
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
