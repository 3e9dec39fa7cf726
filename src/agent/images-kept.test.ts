import { describe, expect, test } from 'vitest';
import { planImages } from './images.ts';
import { storedImage, desiredImage } from '../../test/fixtures/agent/desired.ts';
import { now, v1, observed, actions, states } from '../../test/fixtures/agent/images-observed.ts';

describe('an image that is stored with another digest than desired', () => {
  const conflict = { desired: [desiredImage()], stored: [storedImage('v1', { digestOf: 'b' })] };

  test('is checked for use, never overwritten, and not Ready', () => {
    const it = observed(conflict);
    expect([actions(it), states(it)]).toEqual([['check v1'], ['v1 Pending DigestConflict']]);
  });

  test('stays while a Pod uses it, and the message says which', () => {
    const removals = new Map([[v1, { phase: 'InUse' as const, checkTime: now + 9, message: 'Pod a/b uses it' }]]);
    const it = observed({ ...conflict, removals });
    expect([actions(it), planImages(it).requeueTime]).toEqual([[], now + 9]);
    expect(planImages(it).images[0]).toMatchObject({ state: 'Failed', reason: 'DigestConflict' });
    expect(planImages(it).images[0]?.message).toContain('Pod a/b uses it');
  });

  test('goes when no one uses it', () => {
    const removals = new Map([[v1, { phase: 'Deleting' as const, removeTime: now }]]);
    expect(actions(observed({ ...conflict, removals }))).toEqual(['remove v1']);
  });

  test('counts as another one also when only its mount script differs', () => {
    const desired = [desiredImage('v1', { mountScript: 'echo hello' })];
    expect(states(observed({ desired, stored: [storedImage()] }))).toEqual(['v1 Pending DigestConflict']);
  });
});

describe('an image that no one wants', () => {
  const unwanted = { stored: [storedImage()] };
  const deleting = (removeTime: number | undefined) => new Map([[v1, { phase: 'Deleting' as const, removeTime }]]);

  test('is checked for use first and is Ready as long', () => {
    const it = observed(unwanted);
    expect([actions(it), states(it), planImages(it).removing]).toEqual([['check v1'], ['v1 Ready'], [v1]]);
  });

  test('stays Ready while a Pod uses it, and is looked at again later', () => {
    const removals = new Map([[v1, { phase: 'InUse' as const, checkTime: now + 30_000, message: 'Pod a/b uses it' }]]);
    const it = observed({ ...unwanted, removals });
    expect([actions(it), states(it), planImages(it).requeueTime]).toEqual([[], ['v1 Ready InUse'], now + 30_000]);
    expect(actions({ ...it, now: now + 30_000 })).toEqual(['check v1']);
  });

  test('is announced as Deleting and not removed before the announcement is written', () => {
    const it = observed({ ...unwanted, removals: deleting(undefined) });
    expect([actions(it), states(it), planImages(it).requeueTime]).toEqual([[], ['v1 Deleting NotWanted'], undefined]);
  });

  test('is not removed before the time of grace is over', () => {
    const it = observed({ ...unwanted, removals: deleting(now + 1) });
    expect([actions(it), planImages(it).requeueTime]).toEqual([[], now + 1]);
    expect(actions({ ...it, now: now + 1 })).toEqual(['remove v1']);
  });

  test('is Ready again as soon as it is desired again, and its removal is void', () => {
    const it = observed({ ...unwanted, desired: [desiredImage()], removals: deleting(now) });
    expect([actions(it), states(it), planImages(it).removing]).toEqual([[], ['v1 Ready'], []]);
  });

  test('and that is being fetched is not fetched any further', () => {
    expect(actions(observed({ fetching: [{ key: v1, fingerprint: 'x', downloadedBytes: 0 }] }))).toEqual([
      `cancel ${v1}`,
    ]);
  });
});

describe('an image whose tree is not what was published', () => {
  const found = (kind: 'changed' | 'unverified', publishTime = '2026-01-01T00:00:00Z') =>
    new Map([[v1, { publishTime, finding: { kind, message: 'root/usr/bin/x is missing' } }]]);
  const inUse = new Map([[v1, { phase: 'InUse' as const, checkTime: now + 9, message: 'Pod a/b uses it' }]]);
  const changed = { stored: [storedImage()], verifications: found('changed') };

  test('is not Ready, says so, and goes when no one uses it', () => {
    const it = observed({ ...changed, desired: [desiredImage()] });
    expect([actions(it), states(it), planImages(it).removing]).toEqual([
      ['check v1'],
      ['v1 Pending TreeChanged'],
      [v1],
    ]);
    expect(planImages(it).images[0]).toMatchObject({ readyTime: '2026-01-01T00:00:00Z' });
    const deleting = new Map([[v1, { phase: 'Deleting' as const, removeTime: now }]]);
    expect(actions({ ...it, removals: deleting })).toEqual(['remove v1']);
  });

  test('stays while a Pod uses it', () => {
    const it = observed({ ...changed, desired: [desiredImage()], removals: inUse });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Failed TreeChanged']]);
    expect(planImages(it).images[0]?.message).toMatch(/root\/usr\/bin\/x is missing; .*; Pod a\/b uses it/);
  });

  test('is not Ready either when no one asks for it', () => {
    const it = observed({ ...changed, removals: inUse });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Failed TreeChanged']]);
  });

  test('is Ready and says so when that cannot be known', () => {
    const it = observed({ desired: [desiredImage()], stored: [storedImage()], verifications: found('unverified') });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Ready NotVerified']]);
  });

  test('is Ready when that was found in another tree of its name', () => {
    const it = observed({ ...changed, desired: [desiredImage()], verifications: found('changed', 'before') });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Ready']]);
  });
});

describe('an entry of the store that no agent published', () => {
  const broken = [{ os: 'debian-12', version: 'v1', problem: 'Its image.json is not valid' }];

  test('goes when no one asks for it, if no Pod uses it', () => {
    const it = observed({ broken });
    expect([actions(it), states(it), planImages(it).removing]).toEqual([['check v1'], [], [v1]]);
  });

  test('goes first when it is desired, and is reported', () => {
    const it = observed({ broken, desired: [desiredImage()] });
    expect([actions(it), states(it)]).toEqual([['check v1'], ['v1 Pending BrokenEntry']]);
  });
});
