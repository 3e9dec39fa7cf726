import { expect, test } from 'vitest';
import { Followers } from '../../../test/fixtures/followers.ts';
import { withEarlierEstimate, withEstimate } from './estimate.ts';
import type { Observed } from './observed.ts';
import { planRollout } from './rollout/plan.ts';
import { windowOf } from './rollout/windows.ts';

const waves = { canary: { count: 1, soakSeconds: 600 }, maxUnavailable: 1 };

/** What the status of the distribution becomes, after the rollout has begun. */
function estimated(f: Followers, changes: Partial<Observed> = {}, earlier?: string): string | undefined {
  const { distribution, now } = f;
  const fleet = {
    distributions: [distribution, ...f.others],
    containers: [...f.containers.values()],
    window: windowOf(distribution.spec.activate.existingContainers?.windows, now),
    answers: [],
  };
  const find = (os: string, version: string) => f.images.get(`${os}:${version}`);
  const o: Observed = { distribution, image: undefined, find, nodes: [], stores: new Map(), now, fleet, ...changes };
  const plan = planRollout({ ...fleet, distribution, find, distributed: true, now });
  const rollout = plan?.rollout && {
    ...plan.rollout,
    ...(earlier !== undefined && { estimatedCompletionTime: earlier }),
  };
  const status = { ...distribution.status, ...(rollout && { rollout }) };
  return withEstimate(o, withEarlierEstimate(status, plan), plan).rollout?.estimatedCompletionTime;
}

const after = (f: Followers, seconds: number): string => new Date(f.now.getTime() + seconds * 1000).toISOString();
/** An upgrade takes 30 s where none was measured, and minReadySeconds. */
const upgrade = (f: Followers): number => 30 + ([...f.containers.values()][0]?.spec.upgrade.minReadySeconds ?? 0);

test('when a rollout ends is written when it begins', () => {
  const f = new Followers(3, waves);
  expect(estimated(f)).toBe(after(f, 3 * upgrade(f) + 600));
});

test('an estimate is the cause of no write', () => {
  const f = new Followers(3, waves);
  const unchanged = { ...f.distribution, status: { ...f.distribution.status, rollout: planOf(f) } };
  expect(estimated(f, { distribution: unchanged })).toBeUndefined();
});
const planOf = (f: Followers) => {
  const { distribution, now } = f;
  const find = (os: string, version: string) => f.images.get(`${os}:${version}`);
  const fleet = { distributions: [distribution], containers: [...f.containers.values()], answers: [] };
  const plan = planRollout({ ...fleet, distribution, find, distributed: true, window: { open: true }, now });
  if (!plan?.rollout) throw new Error('There is no rollout');
  return plan.rollout;
};

test('it is made again only when it is due', () => {
  const f = new Followers(3, waves);
  const earlier = after(f, 7200);
  expect(estimated(f, { estimateWaitMilliseconds: 1 }, earlier)).toBe(earlier);
  expect(estimated(f, {}, earlier)).toBe(after(f, 3 * upgrade(f) + 600));
});

test('a little sooner or later is no news', () => {
  const f = new Followers(3, waves);
  const earlier = after(f, 3 * upgrade(f) + 600 + 50);
  expect(estimated(f, {}, earlier)).toBe(earlier);
});

test.each([
  ['is paused', { paused: true }],
  ['has no window that opens', { windows: [{ schedule: '0 0 30 2 *', durationSeconds: 600, timeZone: 'UTC' }] }],
])('a rollout that %s has no estimate', (_what, settings) => {
  const f = new Followers(3, { ...waves, ...settings });
  // Notes down that it begins, which it does also when it is paused.
  f.distribution = { ...f.distribution, status: { ...f.distribution.status, rollout: planOf(f) } };
  expect(estimated(f, {}, after(f, 7200))).toBeUndefined();
});

test('a rollout of more steps than the operator may take for it has no estimate', () => {
  const f = new Followers(700, { canary: { count: 0, soakSeconds: 0 }, maxUnavailable: 1 });
  expect(estimated(f)).toBeUndefined();
});
