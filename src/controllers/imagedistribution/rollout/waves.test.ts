import { describe, expect, test } from 'vitest';
import { Followers, names, past } from '../../../../test/fixtures/followers.ts';
import type { HostedContainerStatus } from '../../../api/hostedcontainer.ts';
import type { ExistingContainers } from '../../../api/rollout.ts';

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
    expect(soaking.requeueTime?.toISOString()).toBe('2026-01-01T00:10:00.000Z');
    f.pass(599);
    f.steps();
    expect(f.assigned).toHaveLength(2);
    f.pass(1);
    f.steps();
    expect(f.assigned).toHaveLength(4);
    expect(f.distribution.status?.rollout).toMatchObject({ wave: 1 });
  });

  test('that do not run well for a while soak again', () => {
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

  test('that fail are replaced, until more have failed than are tolerated', () => {
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

describe('containers that were down before the rollout', () => {
  const twenty = () => new Followers(20, { maxUnavailable: 4, maxFailures: 1 });
  const broken = ['f-03', 'f-08', 'f-15'];

  test('say nothing of the image: the rollout completes, and no image is condemned', () => {
    const f = twenty();
    f.breakDown(...broken);
    const plan = f.settle();
    expect([plan.reason, plan.condemn]).toEqual(['RolledOut', undefined]);
    expect(f.on('os:v2')).toHaveLength(17);
    expect(plan.message).toContain('17 of 20 containers run os:v2, 3 went back because they failed with it');
  });

  test.each(['10%', 1])('take up no place for ever (maxUnavailable %s)', (maxUnavailable) => {
    const f = twenty();
    f.set({ maxUnavailable });
    f.breakDown(...broken);
    expect(f.settle().reason).toBe('RolledOut');
    expect(f.on('os:v2')).toHaveLength(17);
  });

  test('and are Ready between two crashes say nothing either', () => {
    const f = twenty();
    f.breakDown(...broken);
    for (const name of broken) {
      f.ready(name, true);
      f.edit(name, { restarts: 500 });
    }
    f.pass(60);
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('but one that was well says something, also beside them', () => {
    const f = twenty();
    f.breakDown(...broken);
    for (const name of ['f-05', 'f-06']) f.fates.set(name, 'fails');
    expect(f.settle().reason).toBe('RolloutHalted');
    expect(f.distribution.status?.rollout?.haltMessage).toBe(
      '2 of 20 containers failed with os:v2 and went back, such as shop/f-05: CrashLooping: The command exited 3 times',
    );
  });

  test.each<[string, Partial<HostedContainerStatus>]>([
    ['was never good', { lastKnownGoodImage: undefined, image: undefined, conditions: [] }],
    ['is down', { conditions: [] }],
  ])('keep no canary back: one of seven %s', (_name, status) => {
    const f = new Followers(6, { maxUnavailable: '10%', canary: { count: 1, soakSeconds: 60 } });
    f.add('a-broken', 'os:v1', status);
    f.broken.add('a-broken');
    f.fates.set('a-broken', 'fails');
    f.settle();
    expect(f.assigned).toContain('f-00 os:v2');
    f.pass(60);
    expect(f.settle().reason).toBe('RolledOut');
    expect(f.on('os:v2')).toEqual(names(6));
  });
});

describe('a container that cannot take the image', () => {
  const waiting = () => {
    const f = new Followers(6, { maxUnavailable: 1 });
    f.fates.set('f-00', 'cannot');
    f.settle();
    return f;
  };
  const give = (f: Followers, seconds: number) => {
    f.pass(seconds);
    return f.settle();
  };

  test('keeps its version, holds no place, and others go in its stead', () => {
    const f = waiting();
    const plan = f.plan();
    expect([plan.reason, f.assigned]).toEqual(['RollingOut', ['f-00 os:v2']]);
    // So that it is looked at when its time is over.
    expect(plan.requeueTime).toEqual(new Date('2026-01-01T00:05:00Z'));
    const stuck = give(f, 300);
    expect(f.on('os:v2')).toEqual(names(5, 1));
    expect(f.get('f-00').status).toMatchObject({ assignedImage: 'os:v1', assignedBack: true });
    expect(stuck.reason).toBe('ContainersStuck');
    expect(stuck.message).toMatch(
      /5 of 6 containers run os:v2; 1 cannot take it, such as shop\/f-00: see its condition/,
    );
  });

  test('is tried again with growing pauses, and stays stuck meanwhile', () => {
    const f = waiting();
    give(f, 300);
    const times: number[] = [];
    for (let i = 0; i < 4 * 3600; i += 10) {
      const before = f.assigned.length;
      expect(give(f, 10).reason).toBe('ContainersStuck');
      if (f.assigned.slice(before).includes('f-00 os:v2')) times.push(i + 310);
    }
    const pauses = times.map((time, i) => time - (times[i - 1] ?? 0));
    expect(pauses.every((pause, i) => i === 0 || pause >= Math.min(3600, pauses[i - 1] ?? 0))).toBe(true);
    expect(times.length).toBeLessThan(9);
  });

  test('goes when it can, and then the rollout is done', () => {
    const f = waiting();
    give(f, 300);
    f.fates.set('f-00', 'good');
    expect(give(f, 3600).reason).toBe('RolledOut');
    expect(f.on('os:v2')).toHaveLength(6);
    expect(f.distribution.status?.rollout?.blockedTime).toBeUndefined();
  });

  test('is nothing for ever at rest: what is written is written once', () => {
    const f = waiting();
    give(f, 300);
    const { rollout } = f.plan();
    f.pass(60);
    expect(f.plan()).toMatchObject({ assign: [], rollout });
  });
});

describe('a rollout that only a person can help says so', () => {
  test('when a canary runs it well and then stays down', () => {
    const f = new Followers(4, { canary: { count: 1, soakSeconds: 600 } });
    past(f).steps();
    f.ready('f-00', false);
    const waits = f.steps();
    expect([waits.reason, waits.requeueTime]).toEqual(['RollingOut', new Date('2026-01-01T00:10:00Z')]);
    f.pass(600);
    const stuck = f.steps();
    expect(stuck.reason).toBe('ContainersStuck');
    expect(stuck.message).toContain('waits for the canaries to run well: shop/f-00 (Starting), for long');
    f.ready('f-00', true);
    expect(f.steps().reason).toBe('RollingOut');
  });

  test('when those that are down use up all room', () => {
    const f = new Followers(4, { maxUnavailable: 1 });
    f.add('other', 'os:v2');
    past(f);
    f.ready('other', false);
    expect(f.steps().reason).toBe('RollingOut');
    f.pass(600);
    const stuck = f.steps();
    expect([stuck.reason, stuck.message.includes('such as shop/other (Starting), for long')]).toEqual([
      'ContainersStuck',
      true,
    ]);
    f.set({ paused: true });
    expect(f.steps().reason).toBe('Paused');
  });
});

describe('an image that was made again from other bytes', () => {
  test('is another image: those that ran the earlier bytes well are on their way', () => {
    const f = new Followers(3);
    f.settle();
    f.edit('f-01', { lastKnownGoodDigest: `sha256:${'1'.repeat(64)}` });
    const plan = f.steps();
    expect([plan.reason, plan.counts.updated, plan.counts.updating]).toEqual(['RollingOut', 2, 1]);
  });
});

describe('a container whose assigned version is withdrawn', () => {
  test('and that runs this one well does not keep its rollout from ending', () => {
    const f = new Followers(3);
    f.add('stranded', 'os:v2', { assignedImage: 'os:v3' });
    f.images.delete('os:v3');
    f.fates.set('stranded', 'cannot');
    expect(f.settle().reason).toBe('RolledOut');
    expect(f.get('stranded').status?.assignedImage).toBe('os:v2');
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

  test('those that are down anyway go when they themselves take up all the room: it may be what fixes them', () => {
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

describe('one of an earlier wave that breaks', () => {
  test('does not stop later waves', () => {
    const f = new Followers(7, { maxUnavailable: 2, waveSoakSeconds: 60, canary: { count: 1, soakSeconds: 0 } });
    past(f).steps();
    f.arrive();
    f.steps();
    f.pass(60);
    f.steps();
    expect(f.onTheWay()).toEqual(names(2, 3));
    f.ready('f-01', false);
    f.arrive();
    f.steps();
    f.pass(60);
    // It takes a place, as any that is down.
    f.steps();
    expect(f.onTheWay()).toEqual(['f-05']);
  });
});

describe('no one is moved', () => {
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
    expect(plan.requeueTime).toEqual(changeTime);
    f.window = { open: true };
    expect(f.settle().reason).toBe('RolledOut');
  });

  test('while no window can ever open, and it says why', () => {
    const f = new Followers(2);
    f.window = { open: false, problem: 'There is no time zone X' };
    expect(f.steps().message).toContain('There is no time zone X');
  });
});
