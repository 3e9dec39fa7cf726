import { describe, expect, test } from 'vitest';
import { Followers, names, past } from '../../../../test/fixtures/followers.ts';
import { annotations } from '../../../api/names.ts';
import type { ExistingContainers } from '../../../api/rollout.ts';

describe('a halt', () => {
  /** f-01 and f-02 of six fail, after the canary. */
  function halted(how: Partial<ExistingContainers> = {}): Followers {
    const f = new Followers(6, { maxUnavailable: 2, maxFailures: 1, ...how });
    for (const name of ['f-01', 'f-02']) f.fates.set(name, 'fails');
    f.settle();
    return f;
  }

  test('comes when more went back than are tolerated, with evidence, and no one is moved after it', () => {
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

  test('is reported also when its evidence was written and a crash came between', () => {
    const f = new Followers(2);
    f.fates.set('f-00', 'fails');
    past(f);
    f.condemn('os:v2', f.plan().condemn);
    expect(f.step()).toMatchObject({ reason: 'RolloutHalted', rollout: { haltReason: 'TooManyFailures' } });
    expect(f.step().reason).toBe('RolloutHalted');
  });

  test('has evidence of a bounded length, cut between characters', () => {
    const f = new Followers(2);
    f.fates.set('f-00', 'fails');
    past(f);
    const [failure] = f.get('f-00').status?.failedImages ?? [];
    // As long as a message of the ledger may be, of characters that take two code units each.
    if (failure) f.edit('f-00', { failedImages: [{ ...failure, message: '😀'.repeat(512) }] });
    const { condemn = '', rollout } = f.plan();
    expect([condemn, rollout?.haltMessage].every((it) => it?.isWellFormed())).toBe(true);
    expect(rollout?.haltMessage?.length).toBeLessThanOrEqual(1000);
    expect(condemn.length).toBeLessThanOrEqual(1200);
    expect(condemn).toContain('such as shop/f-00: CrashLooping: 😀');
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
    expect(f.plan().message).toMatch(/is fixed, change spec.activate.existingContainers.retryToken/);
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

  test.each([-600, 600])('and goes on with canaries also by a clock that is off by %i s', (seconds) => {
    const f = halted();
    f.condemn('os:v2', undefined);
    f.set({ retryToken: '1' });
    f.fates.clear();
    f.pass(seconds);
    f.step();
    f.steps();
    expect(f.onTheWay()).toHaveLength(1);
    expect(f.settle().reason).toBe('RolledOut');
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

  test('with RevertAll, sends no one to a version that it may not run', () => {
    const f = new Followers(3, { maxUnavailable: 1, onHalt: 'RevertAll' });
    f.fates.set('f-01', 'fails');
    f.condemn('os:v1', 'it ate data');
    past(f).steps();
    f.arrive();
    expect(f.steps().reason).toBe('RolloutHalted');
    f.settle();
    expect(f.assigned).toEqual(['f-00 os:v2', 'f-01 os:v2']);
    expect(f.on('os:v2')).toEqual(['f-00']);
  });

  test('that is resumed while containers go back lets these arrive first: no one knows how their Pods are', () => {
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

  test('with RevertAll, takes no one back once another version was activated', () => {
    const f = new Followers(3, { maxUnavailable: 1, onHalt: 'RevertAll' });
    f.fates.set('f-01', 'fails');
    past(f).steps();
    f.arrive();
    f.step();
    f.others.push(f.giving('os:v3', 'v3', {}, '2027-01-01T00:00:00Z'));
    expect(f.step()).toMatchObject({ reason: 'ImageCondemned', assign: [] });
  });
});
