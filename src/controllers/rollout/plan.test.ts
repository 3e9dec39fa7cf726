import { describe, expect, test } from 'vitest';
import { Followers } from '../../../test/fixtures/followers.ts';
import { osImage } from '../../../test/fixtures/builders.ts';
import { annotations } from '../../api/names.ts';
import type { ExistingContainers } from '../../api/rollout.ts';
import { planRollout } from './plan.ts';

const names = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `f-${String(i + from).padStart(2, '0')}`);
const gate = (name: string, failureLimit = 0) => ({
  name,
  webhook: { url: 'http://gate/' },
  intervalSeconds: 30,
  timeoutSeconds: 10,
  failureLimit,
});
/** The canaries run it well, and their soak is over. */
function past(f: Followers): Followers {
  f.steps();
  f.arrive();
  return f;
}

describe('a rollout does not begin', () => {
  test.each<[string, (f: Followers) => void, string, RegExp]>([
    [
      'before all nodes have the image',
      (f) => void (f.distributed = false),
      'NotDistributed',
      /before all selected nodes/,
    ],
    [
      'before it is the default version',
      (f) => {
        const { activeImage: _none, ...status } = f.distribution.status ?? {};
        f.distribution = { ...f.distribution, status };
      },
      'NotActivated',
      /see Activated/,
    ],
    [
      'where it is not to be the default version',
      (f) => {
        const activate = { ...f.distribution.spec.activate, newContainers: false };
        f.distribution = { ...f.distribution, spec: { ...f.distribution.spec, activate } };
      },
      'NotActivated',
      /set spec.activate.newContainers/,
    ],
    [
      'before the image is Ready',
      (f) => void f.images.set('os:v2', osImage('os:v2', { ready: false })),
      'ImageNotReady',
      /os.v2 is Ready/,
    ],
    ['when the image is gone', (f) => void f.images.delete('os:v2'), 'ImageNotReady', /os.v2/],
    [
      'while the image is condemned',
      (f) => f.condemn('os:v2', 'it ate data'),
      'ImageCondemned',
      /it ate data.*remove its annotation/,
    ],
    [
      'when another distribution was activated later',
      (f) => f.others.push(f.giving('os:v3', 'v3', {}, '2025-12-02T00:00:00Z')),
      'Superseded',
      /ImageDistribution v3 was activated later/,
    ],
    [
      'while that of another one is halted, which was activated before that',
      (f) => {
        const other = f.giving('os:v3', 'v3', {}, '2025-11-01T00:00:00Z');
        const rollout = {
          image: 'os:v3',
          startTime: '2025-12-01T00:00:00Z',
          wave: 0,
          haltTime: '2025-12-02T00:00:00Z',
        };
        f.others.push({ ...other, status: { ...other.status, rollout } });
      },
      'OtherHalted',
      /ImageDistribution v3 is halted/,
    ],
  ])('%s', (_name, change, reason, message) => {
    const f = new Followers(4);
    change(f);
    const plan = f.steps();
    expect(plan.reason).toBe(reason);
    expect(plan.message).toMatch(message);
    expect(plan.rollout).toBeUndefined();
    expect(f.assigned).toEqual([]);
  });

  test('and stops where it is when one of these comes about in the middle', () => {
    const f = new Followers(6);
    past(f).steps();
    f.images.delete('os:v2');
    f.arrive();
    expect(f.steps().reason).toBe('ImageNotReady');
    expect(f.assigned).toHaveLength(3);
  });

  test('and there is none where existing containers are not to be moved', () => {
    const f = new Followers(1);
    const distribution = { ...f.distribution, spec: { ...f.distribution.spec, activate: { newContainers: true } } };
    const observed = { distribution, distributions: [], containers: [], window: { open: true }, answers: [] };
    expect(planRollout({ ...observed, distributed: true, find: () => undefined, now: f.now })).toBeUndefined();
  });

  test('by moving anybody: first it is written down', () => {
    const f = new Followers(2);
    const plan = f.step();
    expect(plan.assign).toEqual([]);
    expect(plan.rollout).toEqual({ image: 'os:v2', startTime: f.now.toISOString(), wave: 0, retryToken: '' });
  });
});

describe('whom it moves', () => {
  test('those that follow the default version, are selected, and stay', () => {
    const f = new Followers(0, { selector: { matchLabels: { tier: 'a' } }, maxUnavailable: 10 });
    for (const name of ['a', 'b', 'fixed', 'leaves']) f.add(name, 'os:v1');
    for (const name of ['a', 'fixed', 'leaves']) {
      const it = f.get(name);
      f.containers.set(name, { ...it, metadata: { ...it.metadata, labels: { tier: 'a' } } });
    }
    f.containers.set('fixed', { ...f.get('fixed'), spec: { ...f.get('fixed').spec, image: 'os:v1' } });
    const { metadata } = f.get('leaves');
    f.containers.set('leaves', { ...f.get('leaves'), metadata: { ...metadata, deletionTimestamp: metadata.name } });
    const plan = f.settle();
    expect(f.assigned).toEqual(['a os:v2']);
    expect(plan.counts.following).toBe(1);
    expect(plan.reason).toBe('RolledOut');
  });

  test('not those that have it already, and nobody anew when it is done', () => {
    const f = new Followers(3);
    f.add('new', 'os:v2');
    const done = f.settle();
    expect(f.assigned).toEqual(names(3).map((name) => `${name} os:v2`));
    expect(done.counts).toEqual({ following: 4, updated: 4, updating: 0, reverted: 0, unavailable: 0 });
    expect(done.message).toBe('4 of 4 containers run os:v2');
    f.pass(3600);
    f.ready('f-01', false);
    const later = f.step();
    expect(later.reason).toBe('RolledOut');
    expect(later.rollout).toEqual(done.rollout);
  });

  test('one that comes later, without canaries', () => {
    const f = new Followers(2, { canary: { count: 1, soakSeconds: 600 } });
    past(f).steps();
    f.pass(600);
    expect(f.settle().reason).toBe('RolledOut');
    f.add('late', 'os:v1');
    expect(f.step().reason).toBe('RollingOut');
    expect(f.assigned.at(-1)).toBe('late os:v2');
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('those that are suspended cost nothing, and are told after the canaries', () => {
    const f = new Followers(2, { maxUnavailable: 1 });
    for (const name of ['a-0', 'a-1', 'a-2']) f.add(name, 'os:v1', { conditions: [] }, { suspend: true });
    f.steps();
    expect(f.assigned).toEqual(['f-00 os:v2']);
    f.arrive();
    const plan = f.steps();
    expect(f.assigned.slice(1).sort()).toEqual(['a-0 os:v2', 'a-1 os:v2', 'a-2 os:v2', 'f-01 os:v2']);
    expect(plan.message).toContain('3 are suspended and will start on it');
    f.arrive();
    expect(f.steps().reason).toBe('RolledOut');
  });
});

describe('canaries', () => {
  test.each<[string, number, Partial<ExistingContainers>, string[]]>([
    ['are so many, the first by name', 5, { canary: { count: 2, soakSeconds: 60 } }, names(2)],
    ['are a percentage, rounded up', 5, { canary: { count: '30%', soakSeconds: 60 } }, names(2)],
    ['are all where there are fewer', 1, { canary: { count: 2, soakSeconds: 60 } }, names(1)],
    ['are moved within maxUnavailable', 5, { maxUnavailable: 1, canary: { count: 3, soakSeconds: 60 } }, names(1)],
    ['may be none', 5, { canary: { count: 0, soakSeconds: 60 } }, names(2)],
  ])('%s', (_name, count, how, expected) => {
    const f = new Followers(count, how);
    f.steps();
    expect(f.onTheWay()).toEqual(expected);
  });

  test('are healthy ones, if there are such', () => {
    const f = new Followers(3, { maxUnavailable: 2 });
    f.ready('f-00', false);
    f.steps();
    expect(f.assigned).toEqual(['f-01 os:v2']);
  });

  test('must all run it well for soakSeconds before others are moved', () => {
    const f = new Followers(6, { canary: { count: 2, soakSeconds: 600 } });
    f.steps();
    f.arrive('f-00');
    expect(f.steps().message).toBe(
      '1 of 6 containers run os:v2, 1 are on their way; next: waits for the canaries to run well: shop/f-01 (Starting)',
    );
    f.arrive();
    const soaking = f.steps();
    expect(soaking.message).toContain('soaking until 2026-01-01T00:10:00Z');
    expect(soaking.lookAgain?.toISOString()).toBe('2026-01-01T00:10:00.000Z');
    f.pass(599);
    f.steps();
    expect(f.assigned).toHaveLength(2);
    f.pass(1);
    f.steps();
    expect(f.assigned).toHaveLength(4);
    expect(f.distribution.status?.rollout).toMatchObject({ wave: 1 });
  });

  test('that do not run well for a while soak anew', () => {
    const f = new Followers(4, { canary: { count: 1, soakSeconds: 600 } });
    past(f).steps();
    f.pass(500);
    f.ready('f-00', false);
    expect(f.steps().rollout?.soakStartTime).toBeUndefined();
    f.ready('f-00', true);
    f.pass(100);
    f.steps();
    f.pass(500);
    f.steps();
    expect(f.assigned).toHaveLength(1);
    f.pass(100);
    f.steps();
    expect(f.assigned).toHaveLength(3);
  });

  test('that fail are replaced only when the others have told how it goes', () => {
    const f = new Followers(6, { maxFailures: 2, canary: { count: 2, soakSeconds: 60 } });
    f.fates.set('f-00', 'fails');
    f.steps();
    f.arrive('f-00');
    expect(f.steps().message).toContain('1 went back; next: waits for the other canaries: shop/f-01 (Starting)');
    f.arrive('f-01');
    f.steps();
    expect(f.assigned).toEqual(['f-00 os:v2', 'f-01 os:v2', 'f-02 os:v2']);
  });

  test('that fail are replaced, until more have failed than are borne', () => {
    const f = new Followers(6, { maxFailures: 1, canary: { count: 1, soakSeconds: 60 } });
    f.fates.set('f-00', 'fails');
    past(f).steps();
    expect(f.assigned).toEqual(['f-00 os:v2', 'f-01 os:v2']);
    f.fates.set('f-01', 'fails');
    f.arrive();
    expect(f.steps().reason).toBe('RolloutHalted');
    expect(f.assigned).toHaveLength(2);
  });
});

describe('maxUnavailable', () => {
  test.each<[string, number, number | string, number]>([
    ['is a number', 20, 3, 3],
    ['is a percentage, rounded down', 19, '20%', 3],
    ['is at least one', 3, '10%', 1],
  ])('%s', (_name, count, maxUnavailable, expected) => {
    const f = new Followers(count, { maxUnavailable, canary: { count: 0, soakSeconds: 0 } });
    f.steps();
    expect(f.onTheWay()).toHaveLength(expected);
  });

  test('counts those that are down for another reason, and says which', () => {
    const f = new Followers(6, { maxUnavailable: 2 });
    f.add('other', 'os:v2');
    past(f);
    f.ready('other', false);
    f.steps();
    expect(f.onTheWay()).toEqual(['f-01']);
    const plan = f.step();
    expect(plan.message).toBe(
      '2 of 7 containers run os:v2, 1 are on their way; next: shop/f-02, when there is room: maxUnavailable 2 (2) is used up by 2 that are unavailable, such as shop/f-01 (Starting)',
    );
  });

  test('counts those that failed until they are back', () => {
    const f = new Followers(6, { maxUnavailable: 1, maxFailures: 5 });
    past(f).steps();
    f.fates.set('f-01', 'fails');
    f.arrive();
    f.edit('f-01', { image: 'os:v2' });
    f.steps();
    expect(f.assigned).toHaveLength(2);
    f.edit('f-01', { image: 'os:v1' });
    f.steps();
    expect(f.assigned.at(-1)).toBe('f-02 os:v2');
  });

  test('places are filled as they get free', () => {
    const f = new Followers(6, { maxUnavailable: 3 });
    past(f).steps();
    expect(f.onTheWay()).toEqual(names(3, 1));
    f.arrive('f-02');
    f.steps();
    expect(f.onTheWay()).toEqual(['f-01', 'f-03', 'f-04']);
  });

  test('those that are down anyway go when they themselves take up all the room: it may be what mends them', () => {
    const f = new Followers(6, { maxUnavailable: 2 });
    past(f);
    for (const name of ['f-03', 'f-04', 'f-05']) f.ready(name, false);
    f.steps();
    expect(f.onTheWay()).toEqual(['f-03', 'f-04']);
    expect(f.settle().reason).toBe('RolledOut');
  });
});

describe('waves with a soak', () => {
  test('go one after the other', () => {
    const f = new Followers(6, { maxUnavailable: 2, waveSoakSeconds: 60, canary: { count: 1, soakSeconds: 0 } });
    past(f).steps();
    expect(f.onTheWay()).toEqual(names(2, 1));
    f.arrive('f-01');
    f.steps();
    expect(f.onTheWay()).toEqual(['f-02']);
    f.arrive();
    f.steps();
    f.pass(59);
    expect(f.steps().message).toContain('wave 1 run it well: soaking until');
    expect(f.onTheWay()).toEqual([]);
    f.pass(1);
    f.steps();
    expect(f.onTheWay()).toEqual(names(2, 3));
    expect(f.distribution.status?.rollout?.wave).toBe(2);
    f.arrive();
    f.steps();
    f.pass(60);
    f.settle();
    f.pass(60);
    expect(f.steps().reason).toBe('RolledOut');
  });
});

describe('gates', () => {
  const soaking = (failureLimit = 0) => {
    const f = new Followers(4, { canary: { count: 1, soakSeconds: 100 }, gates: [gate('a'), gate('b', failureLimit)] });
    return past(f);
  };
  const answer = (name: string, holds: boolean) => ({ name, holds, message: holds ? 'fine' : 'error rate 7 %' });

  test('are asked when a soak begins, and then as often as they say', () => {
    const f = soaking();
    expect(f.steps().ask.map(({ name }) => name)).toEqual(['a', 'b']);
    f.answers = [answer('a', true), answer('b', true)];
    const plan = f.step();
    expect(plan.rollout?.gates).toMatchObject([{ name: 'a', holds: true, failures: 0 }, { name: 'b' }]);
    expect(plan.lookAgain).toEqual(new Date('2026-01-01T00:00:30Z'));
    f.pass(29);
    expect(f.steps().ask).toEqual([]);
    f.pass(1);
    expect(f.steps().ask).toHaveLength(2);
  });

  test('must hold at the end', () => {
    const f = soaking(3);
    f.pass(0);
    f.answers = [answer('a', true), answer('b', true)];
    f.step();
    f.pass(100);
    f.answers = [answer('a', true), answer('b', false)];
    expect(f.step().message).toContain('gate b does not hold (error rate 7 %)');
    expect(f.assigned).toHaveLength(1);
    f.pass(30);
    f.answers = [answer('a', true), answer('b', true)];
    f.step();
    f.steps();
    expect(f.assigned).toHaveLength(3);
    expect(f.distribution.status?.rollout?.gates).toBeUndefined();
  });

  test('that fail more often than is borne halt it, and the image is not condemned', () => {
    const f = soaking(1);
    f.answers = [answer('a', true), answer('b', false)];
    expect(f.step().reason).toBe('RollingOut');
    f.pass(30);
    f.answers = [answer('a', true), answer('b', false)];
    const plan = f.step();
    expect(plan.reason).toBe('RolloutHalted');
    expect(plan.rollout).toMatchObject({
      haltReason: 'GateFailed',
      haltMessage: 'Gate b failed 2 times, last: error rate 7 %',
    });
    expect(plan.condemn).toBeUndefined();
    f.set({ retryToken: '1' });
    f.step();
    expect(f.step().reason).toBe('RollingOut');
  });
});

describe('nobody is moved', () => {
  test('while it is paused; those that are on their way arrive', () => {
    const f = new Followers(6);
    past(f).steps();
    f.set({ paused: true });
    f.arrive('f-01');
    const plan = f.steps();
    expect([plan.reason, plan.message]).toEqual([
      'Paused',
      '2 of 6 containers run os:v2, 1 are on their way; paused by spec.activate.existingContainers.paused',
    ]);
    expect(f.assigned).toHaveLength(3);
    f.set({ paused: false });
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('while no window is open, and it says when the next one is', () => {
    const f = new Followers(2);
    const changeTime = new Date('2026-01-03T02:00:00Z');
    f.window = { open: false, changeTime };
    const plan = f.steps();
    expect(plan.message).toBe('0 of 2 containers run os:v2; next: when a window opens at 2026-01-03T02:00:00Z');
    expect(plan.lookAgain).toEqual(changeTime);
    f.window = { open: true };
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('while no window can ever open, and it says why', () => {
    const f = new Followers(2);
    f.window = { open: false, problem: 'There is no time zone X' };
    expect(f.steps().message).toContain('There is no time zone X');
  });
});

describe('a halt', () => {
  /** f-01 and f-02 of six fail, after the canary. */
  function halted(how: Partial<ExistingContainers> = {}): Followers {
    const f = new Followers(6, { maxUnavailable: 2, maxFailures: 1, ...how });
    for (const name of ['f-01', 'f-02']) f.fates.set(name, 'fails');
    f.settle();
    return f;
  }

  test('comes when more went back than are borne, with evidence, and nobody is moved after it', () => {
    const f = halted();
    const { rollout } = f.distribution.status ?? {};
    expect(rollout).toMatchObject({
      haltReason: 'TooManyFailures',
      haltMessage:
        '2 of 6 containers failed with os:v2 and went back, such as shop/f-01: CrashLooping: The command exited 3 times',
    });
    expect(f.images.get('os:v2')?.metadata.annotations?.[annotations.condemned]).toMatch(
      /^2026-01-01T00:00:00Z by the rollout of ImageDistribution v2: 2 of 6 containers failed/,
    );
    expect(f.on('os:v1')).toEqual(['f-01', 'f-02', 'f-03', 'f-04', 'f-05']);
    expect(f.plan()).toMatchObject({ reason: 'RolloutHalted', assign: [], counts: { updated: 1, reverted: 2 } });
  });

  test('does not come for one that never ran anything well: that says nothing of the image', () => {
    const f = new Followers(3);
    f.add('broken', 'os:v2', { lastKnownGoodImage: undefined, conditions: [] });
    f.edit('broken', { assignedImage: undefined });
    f.edit('broken', { assignedImage: 'os:v2' });
    f.fates.set('broken', 'fails');
    f.arrive('broken');
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('does not come for those that failed with another version, or in another shape', () => {
    const f = new Followers(3);
    const time = '2025-01-01T00:00:00Z';
    const failure = { fingerprint: 'x', reason: 'R', message: 'm', time, attempts: 1 };
    const digest = f.images.get('os:v2')?.status?.digest ?? '';
    f.edit('f-00', { failedImages: [{ ...failure, image: 'os:v2', digest }] });
    f.edit('f-01', { failedImages: [{ ...failure, image: 'os:v3', digest }] });
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('writes its evidence once: what a person wrote there stays', () => {
    const f = new Followers(2);
    f.fates.set('f-00', 'fails');
    past(f);
    const before = f.plan();
    expect(before.condemn).toBeDefined();
    f.condemn('os:v2', 'by hand');
    expect(f.plan().condemn).toBeUndefined();
  });

  test('is told also when its evidence was written and a crash came between', () => {
    const f = new Followers(2);
    f.fates.set('f-00', 'fails');
    past(f);
    f.condemn('os:v2', f.plan().condemn);
    expect(f.step()).toMatchObject({ reason: 'RolloutHalted', rollout: { haltReason: 'TooManyFailures' } });
    expect(f.step().reason).toBe('RolloutHalted');
  });

  test('lasts until it is lifted and another retry token is given, and says which is missing', () => {
    const f = halted();
    expect(f.plan().message).toMatch(
      /remove the annotation monoroot.dev\/condemned of OSImage os.v2, then change .*retryToken/,
    );
    f.set({ retryToken: '1' });
    f.settle();
    expect(f.plan().reason).toBe('RolloutHalted');
    f.set({ retryToken: '' });
    f.condemn('os:v2', undefined);
    f.settle();
    expect(f.plan().message).toMatch(/is mended, change spec.activate.existingContainers.retryToken/);
    expect(f.plan().condemn).toBeUndefined();

    const tried = f.assigned.length;
    f.set({ retryToken: '1' });
    f.fates.clear();
    f.pass(60);
    expect(f.step().message).toBe('It goes on, with canaries first');
    f.steps();
    // Canaries first, as for another version.
    expect(f.onTheWay()).toEqual(['f-01']);
    expect(f.settle().reason).toBe('RolledOut');
    expect(f.assigned.slice(tried)).toEqual(names(5, 1).map((name) => `${name} os:v2`));
    expect(f.get('f-01').status?.assignedRetryToken).toBe('1');
  });

  test('comes again when it fails again', () => {
    const f = halted({ maxFailures: 0 });
    f.condemn('os:v2', undefined);
    f.set({ retryToken: '1' });
    expect(f.settle().reason).toBe('RolloutHalted');
    expect(f.get('f-01').status?.failedImages).toHaveLength(2);
  });

  test('with RevertAll, those that run it well go back too, so many at a time', () => {
    const f = new Followers(8, { maxUnavailable: 2, maxFailures: 1, onHalt: 'RevertAll' });
    for (const name of ['f-04', 'f-05']) f.fates.set(name, 'fails');
    for (let i = 0; f.steps().reason !== 'RolloutHalted'; i++) {
      if (i > 20) throw new Error('It does not halt');
      f.arrive();
    }
    f.steps();
    expect(f.onTheWay()).toHaveLength(2);
    f.settle();
    expect(f.on('os:v1')).toEqual(names(8));
    expect(f.plan().assign).toEqual([]);
  });

  test('that is resumed while containers go back lets these arrive first: nobody knows how their Pods are', () => {
    const f = new Followers(6, { maxUnavailable: 1, onHalt: 'RevertAll' });
    f.fates.set('f-03', 'fails');
    for (let i = 0; f.steps().reason !== 'RolloutHalted'; i++) {
      if (i > 20) throw new Error('It does not halt');
      f.arrive();
    }
    f.steps();
    expect(f.onTheWay()).toEqual(['f-00']);
    f.fates.clear();
    f.condemn('os:v2', undefined);
    f.set({ retryToken: '1' });
    f.step();
    f.steps();
    expect(f.onTheWay()).toEqual(['f-00']);
    expect(f.settle().reason).toBe('RolledOut');
    expect(f.on('os:v2')).toHaveLength(6);
  });

  test('with RevertAll, takes nobody back once another version was activated', () => {
    const f = new Followers(3, { maxUnavailable: 1, onHalt: 'RevertAll' });
    f.fates.set('f-01', 'fails');
    past(f).steps();
    f.arrive();
    f.step();
    f.others.push(f.giving('os:v3', 'v3', {}, '2027-01-01T00:00:00Z'));
    expect(f.step()).toMatchObject({ reason: 'ImageCondemned', assign: [] });
  });
});

describe('another version in the middle', () => {
  test('of the same distribution: all go to it, canaries anew', () => {
    const f = new Followers(6, { canary: { count: 1, soakSeconds: 60 } });
    past(f).steps();
    f.distribution = {
      ...f.distribution,
      spec: { ...f.distribution.spec, image: 'os:v3' },
    };
    // Until it is everywhere nobody is moved.
    expect(f.steps().reason).toBe('NotActivated');
    f.distribution = { ...f.distribution, status: { ...f.distribution.status, activeImage: 'os:v3' } };
    f.pass(1);
    f.steps();
    expect(f.assigned).toEqual(['f-00 os:v2', 'f-00 os:v3']);
    f.arrive();
    f.steps();
    f.pass(60);
    f.settle();
    expect(f.on('os:v3')).toEqual(names(6));
  });

  test('and a clock that goes back makes no further canaries', () => {
    const f = new Followers(6, { canary: { count: 1, soakSeconds: 60 } });
    f.step();
    f.pass(-3600);
    f.steps();
    f.arrive();
    f.steps();
    expect(f.assigned).toEqual(['f-00 os:v2']);
  });
});

/** Numbers that look random and are the same every time. */
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed; ;) {
    x = (x * 1103515245 + 12345) % 2147483648;
    yield x / 2147483648;
  }
}

describe('whatever happens in whatever order', () => {
  test.each(Array.from({ length: 40 }, (_, i) => i + 1))('never too many are down, and it has an end (%i)', (seed) => {
    const random = numbers(seed);
    const below = (n: number) => Math.floor(random.next().value * n);
    const most = 1 + below(5);
    const f = new Followers(5 + below(30), {
      maxUnavailable: most,
      maxFailures: below(4),
      canary: { count: below(4), soakSeconds: below(2) * 5 },
      waveSoakSeconds: below(2) * 3,
      onHalt: below(2) === 0 ? 'Stay' : 'RevertAll',
    });
    const bad = below(6);
    for (const name of f.containers.keys()) if (below(10) < bad) f.fates.set(name, 'fails');
    let down = 0;
    for (let i = 0, quiet = 0; quiet < 20; i++) {
      const { assign } = f.step();
      quiet = assign.length > 0 || f.onTheWay().length > 0 || f.plan().reason === 'RollingOut' ? 0 : quiet + 1;
      if (i > 2000) throw new Error(`It never comes to rest: ${f.plan().message}`);
      down = Math.max(
        down,
        [...f.containers.values()].filter((it) => it.status?.conditions?.[0]?.status !== 'True').length,
      );
      const way = f.onTheWay();
      const next = way[below(way.length + 1)];
      if (next !== undefined) f.arrive(next);
      f.pass(1);
    }
    expect(down).toBeLessThanOrEqual(most);
    const plan = f.plan();
    expect(['RolledOut', 'RolloutHalted']).toContain(plan.reason);
    expect(plan.assign).toEqual([]);
    if (plan.reason === 'RolledOut') expect(plan.counts.updated + plan.counts.reverted).toBe(f.containers.size);
    else
      expect(plan.counts.reverted).toBeGreaterThan(f.distribution.spec.activate.existingContainers?.maxFailures ?? 0);
  });
});
