import { describe, expect, test } from 'vitest';
import { Followers, names } from '../../../../test/fixtures/followers.ts';
import { createDice } from '../../../../test/simulation/random.ts';
import type { ExistingContainers } from '../../../api/rollout.ts';
import { windowState } from '../rollout/windows.ts';
import type { Lives } from './bodies.ts';
import { simulate } from './simulate.ts';
import type { Scenario, Simulated } from './simulate.ts';

const lives: Lives = { upgradeSeconds: () => 60, failureSeconds: () => 90, failing: 0, heals: false };

/** A fleet of the fixture as it is now. */
const scenarioOf = (f: Followers, changes: Partial<Lives> = {}): Scenario => ({
  distribution: f.distribution,
  distributions: f.others,
  containers: [...f.containers.values()],
  find: (os, version) => f.images.get(`${os}:${version}`),
  distributedTime: f.now,
  now: f.now,
  lives: { ...lives, ...changes },
  mostPlans: 10_000,
});

function run(f: Followers, changes: Partial<Lives> = {}, more: Partial<Scenario> = {}): Simulated {
  const result = simulate({ ...scenarioOf(f, changes), ...more });
  if (!result) throw new Error('There is no rollout');
  return result;
}

/** `T+<seconds> w<wave> <names>`. */
const told = ({ batches }: Simulated, f: Followers) =>
  batches.map(
    ({ time, wave, containers, image, back }) =>
      `T+${(time.getTime() - f.now.getTime()) / 1000} w${wave} ${containers.map((it) => it.split('/')[1]).join(' ')}${image === 'os:v2' ? '' : ` ${image}`}${back ? ' back' : ''}`,
  );
const seconds = (time: Date | undefined, f: Followers) => ((time?.getTime() ?? NaN) - f.now.getTime()) / 1000;

describe('a rollout is simulated', () => {
  test('canaries first, their soak, then as many as may be unavailable, to the end', () => {
    const f = new Followers(6, { canary: { count: 1, soakSeconds: 600 }, maxUnavailable: 2 });
    const result = run(f);
    expect(told(result, f)).toEqual(['T+0 w0 f-00', 'T+660 w1 f-01 f-02', 'T+720 w1 f-03 f-04', 'T+780 w1 f-05']);
    expect(result).toMatchObject({ reason: 'RolledOut', following: 6, mostUnavailable: 2, maxUnavailable: 2 });
    expect(seconds(result.completionTime, f)).toBe(840);
  });

  test('each wave with its own soak', () => {
    const f = new Followers(5, { canary: { count: 1, soakSeconds: 10 }, maxUnavailable: 2, waveSoakSeconds: 100 });
    expect(told(run(f), f)).toEqual(['T+0 w0 f-00', 'T+70 w1 f-01 f-02', 'T+230 w2 f-03 f-04']);
  });

  test('after the nodes have the image, which makes it the default version', () => {
    const f = new Followers(1);
    const { activeImage: _active, activationTime: _time, ...status } = f.distribution.status ?? {};
    f.distribution = { ...f.distribution, status };
    const result = run(f, {}, { distributedTime: new Date(f.now.getTime() + 300_000) });
    expect(told(result, f)).toEqual(['T+300 w0 f-00']);
    expect(result.reason).toBe('RolledOut');
  });

  test('only in its windows: a soak that ends when the window is shut costs a day', () => {
    const windows = [{ schedule: '0 2 * * *', durationSeconds: 600, timeZone: 'Australia/Sydney' }];
    const f = new Followers(40, { canary: { count: 2, soakSeconds: 600 }, maxUnavailable: '10%', windows });
    f.now = new Date('2026-01-01T15:00:00Z');
    const result = run(f, { upgradeSeconds: () => 70 });
    expect(seconds(result.batches[0]?.time, f)).toBe(0);
    expect(seconds(result.batches[1]?.time, f)).toBe(86_400);
    expect(result.reason).toBe('RolledOut');
    expect(seconds(result.completionTime, f)).toBeGreaterThan(2 * 86_400);
    expect(result.closed).toHaveLength(2);
  });

  test('a window that never opens has no end', () => {
    const f = new Followers(2, { windows: [{ schedule: '0 0 30 2 *', durationSeconds: 600, timeZone: 'UTC' }] });
    expect(run(f)).toMatchObject({ reason: 'InvalidWindow', completionTime: undefined, batches: [] });
  });

  test('a version that fails halts it, with as few touched as the real one', () => {
    const f = new Followers(20, { canary: { count: 2, soakSeconds: 0 }, maxFailures: 1 });
    const result = run(f, { failing: 2 });
    expect(told(result, f)).toEqual(['T+0 w0 f-00 f-01']);
    expect(result.reason).toBe('RolloutHalted');
    expect(seconds(result.haltTime, f)).toBe(90);
  });

  test('one that fails and is back at once holds up nothing', () => {
    const f = new Followers(3, { canary: { count: 2, soakSeconds: 0 }, maxUnavailable: 1, maxFailures: 2 });
    const result = run(f, { failing: 2, upgradeSeconds: () => 0, failureSeconds: () => 0 });
    expect(result.reason).toBe('RolledOut');
    expect(seconds(result.completionTime, f)).toBeLessThan(1);
  });

  test('a canary that fails is replaced while that is tolerated', () => {
    const f = new Followers(3, { canary: { count: 1, soakSeconds: 0 }, maxFailures: 1 });
    const result = run(f, { failing: 1 });
    expect(told(result, f)).toEqual(['T+0 w0 f-00', 'T+90 w0 f-01', 'T+150 w1 f-02']);
    expect(result.reason).toBe('RolledOut');
  });

  test('one that halts with RevertAll takes back those that were moved well', () => {
    const f = new Followers(5, {
      canary: { count: 0, soakSeconds: 0 },
      maxFailures: 0,
      maxUnavailable: 2,
      onHalt: 'RevertAll',
    });
    for (const name of ['f-00', 'f-01']) f.edit(name, { assignedImage: 'os:v2', lastKnownGoodImage: 'os:v2', image: 'os:v2', history: [{ image: 'os:v2', startTime: '2025-02-01T00:00:00Z', outcome: 'Succeeded' }, { image: 'os:v1', startTime: '2025-01-01T00:00:00Z', outcome: 'Succeeded' }] }); // prettier-ignore
    const result = run(f, { failing: 1 });
    expect(result.reason).toBe('RolloutHalted');
    const back = result.batches.filter(({ image }) => image === 'os:v1').flatMap(({ containers }) => containers);
    expect(back.sort()).toEqual(['shop/f-00', 'shop/f-01', 'shop/f-03', 'shop/f-04']);
  });

  test('containers that are down use up the budget, and fail in the end unless they heal', () => {
    const f = new Followers(4, { canary: { count: 0, soakSeconds: 0 }, maxUnavailable: 1 });
    f.ready('f-00', false);
    const stays = run(f);
    expect(told(stays, f)[0]).toBe('T+0 w1 f-00');
    expect(stays.reason).toBe('RolledOut');
    expect(seconds(stays.completionTime, f)).toBe(90 + 3 * 60);
    expect(seconds(run(f, { heals: true }).completionTime, f)).toBe(4 * 60);
  });

  test('suspended containers cost nothing, and one that waits at its gate ends in ContainersStuck', () => {
    const f = new Followers(3, { canary: { count: 1, soakSeconds: 0 } });
    f.add('z-suspended', 'os:v1', {}, { suspend: true });
    expect(told(run(f), f)).toEqual(['T+0 w0 f-00', 'T+60 w1 f-01 f-02 z-suspended']);
  });

  test('from the middle on, as the operator would after a restart', () => {
    const f = new Followers(5, { canary: { count: 1, soakSeconds: 100 }, maxUnavailable: 2 });
    f.steps();
    f.pass(20);
    const result = run(f);
    expect(told(result, f)).toEqual(['T+140 w1 f-01 f-02', 'T+200 w1 f-03 f-04']);
  });

  test('gates hold, and are asked once in each soak', () => {
    const gates = [{ name: 'slo', webhook: { url: 'http://gate' }, intervalSeconds: 1, timeoutSeconds: 1, failureLimit: 0 }]; // prettier-ignore
    const f = new Followers(2, { canary: { count: 1, soakSeconds: 50 }, gates });
    expect(told(run(f, {}, { mostPlans: 40 }), f)).toEqual(['T+0 w0 f-00', 'T+110 w1 f-01']);
  });

  test('gives up after the given number of plans, and gives none where no container is moved', () => {
    const f = new Followers(2);
    expect(run(f, {}, { mostPlans: 2 }).reason).toBe('Unfinished');
    const { existingContainers: _none, ...activate } = f.distribution.spec.activate;
    f.distribution = { ...f.distribution, spec: { ...f.distribution.spec, activate } };
    expect(simulate(scenarioOf(f))).toBeUndefined();
  });
});

/** Fleets at random, each from its seed. */
function randomFleet(seed: number): { f: Followers; changes: Partial<Lives>; ill: number } {
  const dice = createDice(seed);
  const random = () => dice.next();
  const below = (most: number) => Math.floor(random() * most);
  const size = 1 + below(40);
  const how: Partial<ExistingContainers> = {
    maxUnavailable: below(2) ? 1 + below(6) : `${1 + below(40)}%`,
    canary: { count: below(2) ? below(4) : `${below(30)}%`, soakSeconds: below(3) * 300 },
    waveSoakSeconds: below(3) === 0 ? 120 : 0,
    maxFailures: below(3),
    ...(below(3) === 0 && { windows: [{ schedule: `${below(60)} */${1 + below(8)} * * *`, durationSeconds: 600 + below(7200), timeZone: 'Europe/Berlin' }] }), // prettier-ignore
  };
  const f = new Followers(size, how);
  for (let i = 0; i < below(3); i++) f.add(`s-${i}`, 'os:v1', {}, { suspend: true });
  const ill = below(4) === 0 ? Math.min(size, 1 + below(3)) : 0;
  for (let i = 0; i < ill; i++) f.ready(`f-${String(below(size)).padStart(2, '0')}`, false);
  const failing = below(3) === 0 ? below(4) : 0;
  return { f, ill, changes: { failing, heals: below(2) === 0, upgradeSeconds: () => 10 + below(1) } };
}

describe.each(Array.from({ length: 25 }, (_, i) => i + 1))('random fleet %i', (seed) => {
  const { f, changes, ill } = randomFleet(seed);
  const result = run(f, changes);

  test('the planner decides over the part in its sight as over all', () => {
    const all = run(f, changes, { sight: (bodies) => bodies.map(({ container }) => container) });
    expect(result).toEqual({ ...all, message: result.message });
  });

  test('keeps the promises of a rollout', () => {
    const { maxUnavailable, canary, windows } = f.distribution.spec.activate.existingContainers ?? {};
    expect(maxUnavailable).toBeDefined();
    if (ill === 0) expect(result.mostUnavailable).toBeLessThanOrEqual(result.maxUnavailable);
    for (const { time } of result.batches) expect(windowState(windows, time).open).toBe(true);
    const forward = result.batches.filter(({ back }) => !back).flatMap(({ containers }) => containers);
    expect(new Set(forward).size).toBe(forward.length);
    const [failing = 0, tolerated = 0] = [
      changes.failing,
      f.distribution.spec.activate.existingContainers?.maxFailures,
    ];
    if (failing <= tolerated) expect(result.reason).toBe('RolledOut');
    if (result.reason === 'RolledOut') expect(forward).toHaveLength(result.following);
    const later = result.batches.find(({ wave }) => wave > 0);
    const lastCanary = result.batches.findLast(({ wave }) => wave === 0);
    if (later && lastCanary && canary)
      expect(later.time.getTime() - lastCanary.time.getTime()).toBeGreaterThanOrEqual(canary.soakSeconds * 1000);
  });
});

test('the order of containers does not depend on how long they take, where all take equally long', () => {
  const f = new Followers(25, { canary: { count: 3, soakSeconds: 60 }, maxUnavailable: '20%' });
  const order = (upgradeSeconds: number) =>
    run(f, { upgradeSeconds: () => upgradeSeconds }).batches.flatMap((it) => it.containers);
  expect(order(5)).toEqual(order(500));
  expect(order(5)).toEqual(names(25).map((name) => `shop/${name}`));
});
