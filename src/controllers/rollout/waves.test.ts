import { describe, expect, test } from 'vitest';
import { Followers, names, past } from '../../../test/fixtures/followers.ts';
import type { ExistingContainers } from '../../api/rollout.ts';

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
