import { describe, expect, test } from 'vitest';
import type { ImageFile } from './store/image-file.ts';
import { fingerprintOf, plan } from './plan.ts';
import type { Observed } from './plan.ts';
import { storedImage, wantedImage } from './testing/images.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const v1 = 'debian-12:v1';

function observed(
  changes: Partial<Omit<Observed, 'store'>> & { stored?: ImageFile[]; broken?: Observed['store']['broken'] },
) {
  const { stored = [], broken = [], ...rest } = changes;
  const empty = {
    wanted: [],
    tries: new Map(),
    departures: new Map(),
    verifications: new Map(),
    fetching: undefined,
    now,
  };
  return { ...empty, store: { images: stored, broken }, ...rest };
}

const failedTry = (attempts: number, retryTime: number, image = wantedImage()) =>
  new Map([
    [v1, { fingerprint: fingerprintOf(image), attempts, reason: 'NoSpace', message: 'The disk is full', retryTime }],
  ]);

const steps = (of: Observed) =>
  plan(of).steps.map((step) => (step.do === 'cancelFetch' ? step.do : `${step.do} ${step.image.version}`));
const states = (of: Observed) =>
  plan(of).images.map(({ version, state, reason = '' }) => `${version} ${state} ${reason}`.trim());

describe('an image that is wanted', () => {
  test('and stored is Ready and needs nothing', () => {
    const it = observed({ wanted: [wantedImage()], stored: [storedImage()] });
    expect(plan(it)).toMatchObject({ steps: [], departing: [], wakeTime: undefined });
    expect(plan(it).images[0]).toMatchObject({
      state: 'Ready',
      layout: { kind: 'merged' },
      readyTime: '2026-01-01T00:00:00Z',
    });
  });

  test('and not stored is fetched', () => {
    const it = observed({ wanted: [wantedImage()] });
    expect([steps(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching']]);
  });

  test('is not fetched twice', () => {
    const fetching = { key: v1, fingerprint: fingerprintOf(wantedImage()), downloadedBytes: 7, totalBytes: 9 };
    const it = observed({ wanted: [wantedImage()], fetching });
    expect(steps(it)).toEqual([]);
    expect(plan(it).images[0]).toMatchObject({ state: 'Fetching', downloadedBytes: 7, totalBytes: 9 });
  });

  test('waits for its turn while another one is fetched', () => {
    const it = observed({ wanted: [wantedImage(), wantedImage('v2')] });
    expect([steps(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching', 'v2 Pending Queued']]);
  });

  test('waits behind those that have failed less often', () => {
    const it = observed({ wanted: [wantedImage(), wantedImage('v2')], tries: failedTry(1, now - 1) });
    expect(steps(it)).toEqual(['fetch v2']);
  });

  test('and failed is Pending until it is time to try again', () => {
    const it = observed({ wanted: [wantedImage()], tries: failedTry(2, now + 5000) });
    expect(steps(it)).toEqual([]);
    expect(plan(it).wakeTime).toBe(now + 5000);
    expect(plan(it).images[0]).toMatchObject({
      state: 'Pending',
      reason: 'NoSpace',
      message: 'The disk is full',
      attempts: 2,
      retryTime: '2026-01-01T12:00:05Z',
    });
  });

  test('is tried again when its time has come, and still tells of the failure', () => {
    const it = observed({ wanted: [wantedImage()], tries: failedTry(2, now) });
    expect([steps(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching NoSpace']]);
  });

  test('is Failed when all granted retries have failed', () => {
    expect(states(observed({ wanted: [wantedImage()], tries: failedTry(3, now + 5000) }))).toEqual([
      'v1 Failed NoSpace',
    ]);
  });

  test('is tried at once when anything about it has changed', () => {
    const wanted = [wantedImage('v1', { timeoutSeconds: 61 })];
    const it = observed({ wanted, tries: failedTry(3, now + 5000) });
    expect([steps(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching']]);
  });

  test('has the same fingerprint in whatever order its fields come', () => {
    const { os, ...rest } = wantedImage();
    expect(fingerprintOf({ ...rest, os })).toBe(fingerprintOf(wantedImage()));
  });

  test('is fetched anew when it changes while it is being fetched', () => {
    const fetching = { key: v1, fingerprint: 'of another source', downloadedBytes: 7 };
    expect(steps(observed({ wanted: [wantedImage()], fetching }))).toEqual(['cancelFetch']);
  });
});

describe('an image that is stored with another digest than wanted', () => {
  const conflict = { wanted: [wantedImage()], stored: [storedImage('v1', { digestOf: 'b' })] };

  test('is checked for use, never overwritten, and not Ready', () => {
    const it = observed(conflict);
    expect([steps(it), states(it)]).toEqual([['check v1'], ['v1 Pending DigestConflict']]);
  });

  test('stays while a Pod uses it, and the message says which', () => {
    const departures = new Map([[v1, { phase: 'Used' as const, checkTime: now + 9, message: 'Pod a/b uses it' }]]);
    const it = observed({ ...conflict, departures });
    expect([steps(it), plan(it).wakeTime]).toEqual([[], now + 9]);
    expect(plan(it).images[0]).toMatchObject({ state: 'Failed', reason: 'DigestConflict' });
    expect(plan(it).images[0]?.message).toContain('Pod a/b uses it');
  });

  test('goes when nobody uses it', () => {
    const departures = new Map([[v1, { phase: 'Leaving' as const, removeTime: now }]]);
    expect(steps(observed({ ...conflict, departures }))).toEqual(['remove v1']);
  });

  test('counts as another one also when only its mount script differs', () => {
    const wanted = [wantedImage('v1', { mountScript: 'echo hello' })];
    expect(states(observed({ wanted, stored: [storedImage()] }))).toEqual(['v1 Pending DigestConflict']);
  });
});

describe('an image that nobody wants', () => {
  const unwanted = { stored: [storedImage()] };
  const leaving = (removeTime: number | undefined) => new Map([[v1, { phase: 'Leaving' as const, removeTime }]]);

  test('is checked for use first and is Ready as long', () => {
    const it = observed(unwanted);
    expect([steps(it), states(it), plan(it).departing]).toEqual([['check v1'], ['v1 Ready'], [v1]]);
  });

  test('stays Ready while a Pod uses it, and is looked at again later', () => {
    const departures = new Map([[v1, { phase: 'Used' as const, checkTime: now + 30_000, message: 'Pod a/b uses it' }]]);
    const it = observed({ ...unwanted, departures });
    expect([steps(it), states(it), plan(it).wakeTime]).toEqual([[], ['v1 Ready InUse'], now + 30_000]);
    expect(steps({ ...it, now: now + 30_000 })).toEqual(['check v1']);
  });

  test('is announced as Deleting and not removed before the announcement is written', () => {
    const it = observed({ ...unwanted, departures: leaving(undefined) });
    expect([steps(it), states(it), plan(it).wakeTime]).toEqual([[], ['v1 Deleting NotWanted'], undefined]);
  });

  test('is not removed before the time of grace is over', () => {
    const it = observed({ ...unwanted, departures: leaving(now + 1) });
    expect([steps(it), plan(it).wakeTime]).toEqual([[], now + 1]);
    expect(steps({ ...it, now: now + 1 })).toEqual(['remove v1']);
  });

  test('is Ready again as soon as it is wanted again, and its departure is void', () => {
    const it = observed({ ...unwanted, wanted: [wantedImage()], departures: leaving(now) });
    expect([steps(it), states(it), plan(it).departing]).toEqual([[], ['v1 Ready'], []]);
  });

  test('and that is being fetched is not fetched any further', () => {
    expect(steps(observed({ fetching: { key: v1, fingerprint: 'x', downloadedBytes: 0 } }))).toEqual(['cancelFetch']);
  });
});

describe('an image whose tree is not what was published', () => {
  const found = (kind: 'changed' | 'unverified', publishTime = '2026-01-01T00:00:00Z') =>
    new Map([[v1, { publishTime, finding: { kind, message: 'root/usr/bin/x is missing' } }]]);
  const used = new Map([[v1, { phase: 'Used' as const, checkTime: now + 9, message: 'Pod a/b uses it' }]]);
  const changed = { stored: [storedImage()], verifications: found('changed') };

  test('is not Ready, says so, and goes when nobody uses it', () => {
    const it = observed({ ...changed, wanted: [wantedImage()] });
    expect([steps(it), states(it), plan(it).departing]).toEqual([['check v1'], ['v1 Pending TreeChanged'], [v1]]);
    expect(plan(it).images[0]).toMatchObject({ readyTime: '2026-01-01T00:00:00Z' });
    const leaving = new Map([[v1, { phase: 'Leaving' as const, removeTime: now }]]);
    expect(steps({ ...it, departures: leaving })).toEqual(['remove v1']);
  });

  test('stays while a Pod uses it', () => {
    const it = observed({ ...changed, wanted: [wantedImage()], departures: used });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Failed TreeChanged']]);
    expect(plan(it).images[0]?.message).toMatch(/root\/usr\/bin\/x is missing; .*; Pod a\/b uses it/);
  });

  test('is not Ready either when nobody wants it', () => {
    const it = observed({ ...changed, departures: used });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Failed TreeChanged']]);
  });

  test('is Ready and says so when that cannot be told', () => {
    const it = observed({ wanted: [wantedImage()], stored: [storedImage()], verifications: found('unverified') });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Ready NotVerified']]);
  });

  test('is Ready when that was found in another tree of its name', () => {
    const it = observed({ ...changed, wanted: [wantedImage()], verifications: found('changed', 'before') });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Ready']]);
  });
});

describe('an entry of the store that no agent published', () => {
  const broken = [{ os: 'debian-12', version: 'v1', problem: 'Its image.json is not valid' }];

  test('goes when nobody wants it, if no Pod uses it', () => {
    const it = observed({ broken });
    expect([steps(it), states(it), plan(it).departing]).toEqual([['check v1'], [], [v1]]);
  });

  test('goes first when it is wanted, and is told of', () => {
    const it = observed({ broken, wanted: [wantedImage()] });
    expect([steps(it), states(it)]).toEqual([['check v1'], ['v1 Pending BrokenEntry']]);
  });
});
