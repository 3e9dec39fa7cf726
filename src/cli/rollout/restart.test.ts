import { expect, test } from 'vitest';
import { container, distribution } from '../../../test/fixtures/builders.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { keyOf } from '../../runtime/object.ts';
import { inWaves, planRestart } from './restart.ts';

const [old, current] = ['registry/scaffold@sha256:old', 'registry/scaffold@sha256:new'];
const condition = (type: string, status: Condition['status']): Condition => ({
  type,
  status,
  reason: 'Because',
  message: 'told',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

/** Containers on debian:1, unless said otherwise, with the image of their Pods. */
const fleet = (
  changes: { scaffold?: string; image?: string; ready?: Condition['status']; upgraded?: Condition['status'] }[],
) => {
  const made = changes.map(({ image = 'debian:1', ready = 'True', upgraded = 'True' }, i) => {
    const it = container(
      { image },
      { image, conditions: [condition('Ready', ready), condition('Upgraded', upgraded)] },
    );
    return { ...it, metadata: { ...it.metadata, name: `c-${i}` } };
  });
  const running = new Map(made.map(({ metadata }, i) => [keyOf(metadata), changes[i]?.scaffold ?? old]));
  return { containers: made, running };
};
const dist = (maxUnavailable?: number | string) =>
  distribution('debian:1', {
    activate: {
      newContainers: true,
      ...(maxUnavailable !== undefined && { existingContainers: { maxUnavailable } as never }),
    },
  });
const plan = (
  changes: Parameters<typeof fleet>[0],
  maxUnavailable?: number | string,
  scaffolds: string[] | undefined = [current],
) => {
  const { restart, notReady, ...rest } = planRestart({
    distribution: dist(maxUnavailable),
    ...fleet(changes),
    scaffolds,
  });
  const names = (list: typeof restart) => list.map(({ metadata }) => metadata.name);
  return { restart: names(restart), notReady: names(notReady), ...rest };
};

test.each([
  [
    'only those with an older scaffold',
    [{}, { scaffold: current }, {}],
    1,
    { restart: ['c-0', 'c-2'], limit: 1, current: 1, notReady: [] },
  ],
  ['none of another OS', [{}, { image: 'alpine:1' }], 1, { restart: ['c-0'], limit: 1, current: 0, notReady: [] }],
  ['as many at once as rollouts may', Array.from({ length: 10 }, () => ({})), '30%', { limit: 3 }],
  ['at least one at once', [{}], '10%', { limit: 1 }],
  ['10% at once when no rollout says otherwise', Array.from({ length: 20 }, () => ({})), undefined, { limit: 2 }],
  [
    'less by what is down',
    [{}, {}, { ready: 'False' as const }],
    2,
    { restart: ['c-0', 'c-1'], limit: 1, notReady: ['c-2'] },
  ],
  [
    'none at all when too much is down',
    [{}, { ready: 'False' as const }],
    1,
    { restart: ['c-0'], limit: 0, notReady: ['c-1'] },
  ],
  ['none that is being upgraded', [{ upgraded: 'Unknown' as const }], 1, { restart: [], notReady: ['c-0'] }],
])('restarts %s', (_case, changes, budget, expected) => {
  expect(plan(changes, budget)).toMatchObject(expected);
});

test('a container with direct mounts has the scaffold under the name of its tree', () => {
  const tree = (repository: string, digit: string) => ({
    scaffold: `${repository}:debian.1-0123456789ab@sha256:${digit.repeat(64)}`,
  });
  const it = 'registry:5000/scaffold';
  const changes = [tree(it, '1'), tree(it, '2'), tree('elsewhere/scaffold', '1')];
  expect(plan(changes, 1, [`${it}@sha256:${'1'.repeat(64)}`])).toMatchObject({ restart: ['c-1', 'c-2'], current: 1 });
});

test('restarts all when no scaffold is asked for', () => {
  const { distribution: it, ...rest } = { distribution: dist(), ...fleet([{ scaffold: current }, {}]) };
  expect(planRestart({ distribution: it, ...rest, scaffolds: undefined }).restart).toHaveLength(2);
});

test('the first goes alone, and then no more at once than the limit', async () => {
  let at = 0;
  const most: number[] = [];
  const all = await inWaves([1, 2, 3, 4, 5, 6, 7], 3, async () => {
    most.push(++at);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    at--;
    return true;
  });
  expect(all.good).toHaveLength(7);
  expect(most.slice(0, 2)).toEqual([1, 1]);
  expect(Math.max(...most)).toBe(3);
});

test('after one that is not good again, no other is begun', async () => {
  const begun: number[] = [];
  const result = await inWaves([1, 2, 3, 4, 5, 6], 2, (n) => {
    begun.push(n);
    return Promise.resolve(n !== 3);
  });
  expect(result.bad).toEqual([3]);
  expect(begun).not.toContain(5);
  expect((await inWaves([1, 2], 2, () => Promise.resolve(false))).bad).toEqual([1]);
});
