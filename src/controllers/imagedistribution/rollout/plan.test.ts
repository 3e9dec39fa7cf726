import { describe, expect, test } from 'vitest';
import { Followers, names, past } from '../../../../test/fixtures/followers.ts';
import { osImage } from '../../../../test/fixtures/builders.ts';
import { planRollout } from './plan.ts';

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
      'by an empty selector, which an earlier version has stored',
      (f) => f.set({ selector: {} }),
      'EmptySelector',
      /selector is empty.*name labels in it, or remove it/,
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
      'when another distribution gives the default version',
      (f) => f.others.push(f.giving('os:v3', 'v3', {}, '2025-12-02T00:00:00Z')),
      'Superseded',
      /ImageDistribution v3 gives the default version of os, os:v3/,
    ],
    [
      'while that of a version above it is halted',
      (f) => {
        const other = f.giving('os:v3', 'v3', {});
        const { activeImage: _condemned, ...status } = other.status ?? {};
        const rollout = {
          image: 'os:v3',
          startTime: '2025-12-01T00:00:00Z',
          wave: 0,
          haltTime: '2025-12-02T00:00:00Z',
        };
        f.others.push({ ...other, status: { ...status, rollout } });
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

  test.each([-600, 600])('but not for one below it that is halted, by a clock that is off by %i s', (seconds) => {
    const f = new Followers(2);
    const other = f.giving('os:v1', 'v1', {});
    f.pass(seconds);
    const haltTime = f.now.toISOString();
    f.pass(-seconds);
    const rollout = { image: 'os:v1', startTime: haltTime, wave: 0, haltTime };
    f.others.push({ ...other, status: { ...other.status, rollout } });
    expect(f.settle().reason).toBe('RolledOut');
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

  test('not those that have it already, and no one again when it is done', () => {
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

  test('those that are suspended cost nothing, and are reported after the canaries', () => {
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

describe('another version in the middle', () => {
  test('of the same distribution: all go to it, canaries again', () => {
    const f = new Followers(6, { canary: { count: 1, soakSeconds: 60 } });
    past(f).steps();
    f.distribution = {
      ...f.distribution,
      spec: { ...f.distribution.spec, image: 'os:v3' },
    };
    // Until it is everywhere no one is moved.
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

describe('leaders whose clocks are ten minutes apart', () => {
  test.each(Array.from({ length: 40 }, (_, i) => i + 1))('change no decision but the length of a soak (%i)', (seed) => {
    const random = numbers(seed);
    const below = (n: number) => Math.floor(random.next().value * n);
    const most = 1 + below(3);
    const maxFailures = below(3);
    const f = new Followers(5 + below(15), {
      maxUnavailable: most,
      maxFailures,
      canary: { count: below(3), soakSeconds: below(2) * 60 },
      waveSoakSeconds: below(3) === 0 ? 60 : 0,
      onHalt: below(2) === 0 ? 'Stay' : 'RevertAll',
    });
    const all = [...f.containers.keys()];
    f.breakDown(...all.filter(() => below(6) === 0));
    for (const name of all) {
      if (!f.broken.has(name) && below(12) === 0) f.fates.set(name, below(2) === 0 ? 'fails' : 'cannot');
    }
    // Clocks of earlier leaders: of this one, and of one that is behind or ahead by ten minutes.
    let offset = 0;
    const changeLeader = () => {
      const next = (below(3) - 1) * 600;
      f.pass(next - offset);
      offset = next;
    };
    const settle = () => {
      let plan = f.plan();
      for (let i = 0, quiet = 0; quiet < 20; i++) {
        if (below(4) === 0) changeLeader();
        plan = f.step();
        quiet = plan.reason === 'RollingOut' || plan.assign.length > 0 ? 0 : quiet + 1;
        if (i > 5000) throw new Error(`It never comes to rest: ${plan.message}`);
        const down = [...f.containers.entries()].filter(
          ([name, it]) => !f.broken.has(name) && it.status?.conditions?.[0]?.status !== 'True',
        );
        expect(down.length).toBeLessThanOrEqual(most);
        const way = f.onTheWay();
        const next = way[below(way.length + 1)];
        if (next !== undefined) f.arrive(next);
        f.pass(20);
      }
      return plan;
    };
    const plan = settle();
    const guilty = all.filter((name) => f.fates.get(name) === 'fails' && !f.broken.has(name)).length;
    expect(['RolledOut', 'RolloutHalted', 'ContainersStuck']).toContain(plan.reason);
    if (plan.reason === 'RolloutHalted') {
      expect(guilty).toBeGreaterThan(maxFailures);
      // Another try begins with canaries, whatever the clock says.
      f.fates.clear();
      f.condemn('os:v2', undefined);
      f.set({ retryToken: 'again', maxFailures: 100 });
      changeLeader();
      f.steps();
      expect(settle().reason).toBe('RolledOut');
    }
    const able = all.filter((name) => f.fates.get(name) === undefined);
    expect(f.on('os:v2')).toEqual(expect.arrayContaining(able));
  });
});
