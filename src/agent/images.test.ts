import { describe, expect, test } from 'vitest';
import type { ImageFile } from './store/image-file.ts';
import { fingerprintOf } from './fingerprint.ts';
import { planImages } from './images.ts';
import type { ImagesObserved } from './images.ts';
import { storedImage, desiredImage } from '../../test/fixtures/agent/desired.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const v1 = 'debian-12:v1';

function observed(
  changes: Partial<Omit<ImagesObserved, 'store'>> & {
    stored?: ImageFile[];
    broken?: ImagesObserved['store']['broken'];
  },
) {
  const { stored = [], broken = [], ...rest } = changes;
  const empty = {
    desired: [],
    failedAttempts: new Map(),
    removals: new Map(),
    verifications: new Map(),
    fetching: [],
    maxFetches: 1,
    short: false,
    now,
  };
  return { ...empty, store: { images: stored, broken }, ...rest };
}

const failedTry = (attempts: number, retryTime: number, image = desiredImage()) =>
  new Map([
    [v1, { fingerprint: fingerprintOf(image), attempts, reason: 'NoSpace', message: 'The disk is full', retryTime }],
  ]);

const actions = (of: ImagesObserved) =>
  planImages(of).actions.map((action) =>
    action.type === 'cancelFetch' ? `cancel ${action.key}` : `${action.type} ${action.image.version}`,
  );
const states = (of: ImagesObserved) =>
  planImages(of).images.map(({ version, state, reason = '' }) => `${version} ${state} ${reason}`.trim());

describe('an image that is desired', () => {
  test('and stored is Ready and needs nothing', () => {
    const it = observed({ desired: [desiredImage()], stored: [storedImage()] });
    expect(planImages(it)).toMatchObject({ actions: [], removing: [], requeueTime: undefined });
    expect(planImages(it).images[0]).toMatchObject({
      state: 'Ready',
      layout: { kind: 'merged' },
      readyTime: '2026-01-01T00:00:00Z',
    });
  });

  test('and not stored is fetched', () => {
    const it = observed({ desired: [desiredImage()] });
    expect([actions(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching']]);
  });

  test('is not fetched twice', () => {
    const fetching = { key: v1, fingerprint: fingerprintOf(desiredImage()), downloadedBytes: 7, totalBytes: 9 };
    const it = observed({ desired: [desiredImage()], fetching: [fetching] });
    expect(actions(it)).toEqual([]);
    expect(planImages(it).images[0]).toMatchObject({ state: 'Fetching', downloadedBytes: 7, totalBytes: 9 });
  });

  test('waits for its turn while another one is fetched', () => {
    const it = observed({ desired: [desiredImage(), desiredImage('v2')] });
    expect([actions(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching', 'v2 Pending Queued']]);
  });

  describe('of which an agent has died', () => {
    const deadly = (image = desiredImage(), retryTime = now - 1): ImagesObserved['failedAttempts'] =>
      new Map([
        [
          `${image.os}:${image.version}`,
          { fingerprint: fingerprintOf(image), attempts: 1, reason: 'AgentDied', message: 'm', retryTime },
        ],
      ]);
    const [one, two, three] = [desiredImage(), desiredImage('v2'), desiredImage('v3')];
    const fetchOf = (image = desiredImage()) => ({
      key: `${image.os}:${image.version}`,
      fingerprint: fingerprintOf(image),
      downloadedBytes: 0,
    });

    test('waits behind all others', () => {
      const it = observed({ desired: [one, two, three], failedAttempts: deadly(), maxFetches: 3 });
      expect([actions(it), states(it)]).toEqual([
        ['fetch v2', 'fetch v3'],
        ['v1 Pending AgentDied', 'v2 Fetching', 'v3 Fetching'],
      ]);
      expect(actions({ ...it, fetching: [fetchOf(two)], desired: [one, two] })).toEqual([]);
    });

    test('is fetched alone', () => {
      const it = observed({
        desired: [one, two],
        failedAttempts: deadly(),
        stored: [storedImage('v2')],
        maxFetches: 3,
      });
      expect(actions(it)).toEqual(['fetch v1']);
      const running = observed({
        desired: [one, two],
        failedAttempts: deadly(),
        fetching: [fetchOf(one)],
        maxFetches: 3,
      });
      expect([actions(running), states(running)]).toEqual([[], ['v1 Fetching AgentDied', 'v2 Pending Queued']]);
    });

    test('is Failed after three agents, whatever is granted', () => {
      const died = (attempts: number) => {
        const [[key, failedAttempts] = ['', undefined]] = [...deadly(one, now + 5000)];
        return new Map(failedAttempts ? [[key, { ...failedAttempts, attempts }]] : []);
      };
      const patient = [{ ...desiredImage(), backoffLimit: 100 }];
      const failedAttempts = (attempts: number) =>
        new Map(
          [...died(attempts)].map(([key, it]) => [key, { ...it, fingerprint: fingerprintOf(patient[0] ?? one) }]),
        );
      expect(states(observed({ desired: patient, failedAttempts: failedAttempts(2) }))).toEqual([
        'v1 Pending AgentDied',
      ]);
      expect(states(observed({ desired: patient, failedAttempts: failedAttempts(3) }))).toEqual([
        'v1 Failed AgentDied',
      ]);
    });
  });

  test('waits behind those that have failed less often', () => {
    const it = observed({ desired: [desiredImage(), desiredImage('v2')], failedAttempts: failedTry(1, now - 1) });
    expect(actions(it)).toEqual(['fetch v2']);
  });

  test('and failed is Pending until it is time to try again', () => {
    const it = observed({ desired: [desiredImage()], failedAttempts: failedTry(2, now + 5000) });
    expect(actions(it)).toEqual([]);
    expect(planImages(it).requeueTime).toBe(now + 5000);
    expect(planImages(it).images[0]).toMatchObject({
      state: 'Pending',
      reason: 'NoSpace',
      message: 'The disk is full',
      attempts: 2,
      retryTime: '2026-01-01T12:00:05Z',
    });
  });

  test('is tried again when its time has come, and still tells of the failure', () => {
    const it = observed({ desired: [desiredImage()], failedAttempts: failedTry(2, now) });
    expect([actions(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching NoSpace']]);
  });

  test('is Failed when all granted retries have failed', () => {
    expect(states(observed({ desired: [desiredImage()], failedAttempts: failedTry(3, now + 5000) }))).toEqual([
      'v1 Failed NoSpace',
    ]);
  });

  test('is tried at once when anything about it has changed', () => {
    const desired = [desiredImage('v1', { timeoutSeconds: 61 })];
    const it = observed({ desired, failedAttempts: failedTry(3, now + 5000) });
    expect([actions(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching']]);
  });

  test('stays as it is in the store when only the way to fetch it has changed', () => {
    const desired = [desiredImage('v1', { timeoutSeconds: 61, bytesPerSecond: 5000 })];
    const it = observed({ desired, stored: [storedImage()] });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Ready']]);
  });

  test('has the same fingerprint in whatever order its fields come', () => {
    const { os, ...rest } = desiredImage();
    expect(fingerprintOf({ ...rest, os })).toBe(fingerprintOf(desiredImage()));
  });

  test('is fetched again when it changes while it is being fetched', () => {
    const fetching = { key: v1, fingerprint: 'of another source', downloadedBytes: 7 };
    expect(actions(observed({ desired: [desiredImage()], fetching: [fetching] }))).toEqual([`cancel ${v1}`]);
  });
});

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

describe('several fetches', () => {
  const desired = ['v1', 'v2', 'v3'].map((version) => desiredImage(version));
  const running = (image = desiredImage(), fingerprint = fingerprintOf(image)) => ({
    key: `debian-12:${image.version}`,
    fingerprint,
    downloadedBytes: 7,
  });

  test('begin as far as they may, and each tells of itself', () => {
    const it = observed({ desired, maxFetches: 2 });
    expect([actions(it), states(it)]).toEqual([
      ['fetch v1', 'fetch v2'],
      ['v1 Fetching', 'v2 Fetching', 'v3 Pending Queued'],
    ]);
    expect(actions(observed({ desired, maxFetches: 2, fetching: [running()] }))).toEqual(['fetch v2']);
    expect(actions(observed({ desired, maxFetches: 2, fetching: [running(), running(desiredImage('v3'))] }))).toEqual(
      [],
    );
  });

  test('go on when fewer are allowed than are running', () => {
    const fetching = [running(), running(desiredImage('v2'))];
    const it = observed({ desired, maxFetches: 1, fetching });
    expect([actions(it), states(it)]).toEqual([[], ['v1 Fetching', 'v2 Fetching', 'v3 Pending Queued']]);
  });

  test('are cancelled one by one', () => {
    const fetching = [running(), running(desiredImage('v2'), 'of another source'), running(desiredImage('v9'))];
    expect(actions(observed({ desired, maxFetches: 3, fetching }))).toEqual([
      'cancel debian-12:v2',
      'cancel debian-12:v9',
    ]);
  });

  test('go on when only what is known of the image changes', () => {
    const hinted = [desiredImage('v1', { unpackedBytes: 5 })];
    expect(actions(observed({ desired: hinted, fetching: [running()] }))).toEqual([]);
    expect(states(observed({ desired: hinted, failedAttempts: failedTry(2, now + 5000) }))).toEqual([
      'v1 Pending NoSpace',
    ]);
  });
});

describe('a retained image', () => {
  const retained = (...versions: string[]) => versions.map((version) => desiredImage(version, { retained: true }));
  const stored = [
    storedImage('v1', { publishTime: '2026-01-02T00:00:00Z' }),
    storedImage('v2', { publishTime: '2026-01-01T00:00:00Z' }),
  ];
  const both = observed({ desired: retained('v1', 'v2'), stored });
  const deleting = (version: string, removeTime: number | undefined = now) =>
    new Map([[`debian-12:${version}`, { phase: 'Deleting' as const, removeTime }]]);
  const inUse = (...versions: string[]) =>
    new Map(
      versions.map((version) => [
        `debian-12:${version}`,
        { phase: 'InUse' as const, checkTime: now + 9, message: 'Pod a/b uses it' },
      ]),
    );

  test('is Ready, and stays while there is room', () => {
    expect([actions(both), states(both), planImages(both).removing]).toEqual([
      [],
      ['v1 Ready Retained', 'v2 Ready Retained'],
      [],
    ]);
  });

  test('is not fetched when it is not there, and nothing is said of it', () => {
    const it = observed({ desired: retained('v1') });
    expect([actions(it), states(it)]).toEqual([[], []]);
  });

  test('that is stored with another digest is an image that no one wants', () => {
    const it = observed({ desired: retained('v1'), stored: [storedImage('v1', { digestOf: 'b' })] });
    expect([actions(it), states(it)]).toEqual([['check v1'], ['v1 Ready']]);
  });

  test('goes when the disk is short, the oldest first, and is announced first', () => {
    const short = { ...both, short: true };
    expect([actions(short), states(short)]).toEqual([['check v2'], ['v1 Ready Retained', 'v2 Ready Retained']]);
    const announced = { ...short, removals: deleting('v2', now + 1) };
    expect([actions(announced), states(announced)]).toEqual([[], ['v1 Ready Retained', 'v2 Deleting Evicted']]);
    expect(actions({ ...announced, removals: deleting('v2') })).toEqual(['remove v2']);
  });

  test('stays while another image is on its way out', () => {
    const unwanted = storedImage('v0');
    const it = { ...both, store: { images: [...stored, unwanted], broken: [] }, short: true };
    expect(actions({ ...it, removals: deleting('v0') })).toEqual(['remove v0']);
  });

  test('that a Pod uses is skipped, and looked at again while room is needed', () => {
    const it = { ...both, short: true, removals: inUse('v2') };
    expect([actions(it), states(it)]).toEqual([['check v1'], ['v1 Ready Retained', 'v2 Ready Retained']]);
    const all = { ...it, removals: inUse('v1', 'v2') };
    expect([actions(all), planImages(all).requeueTime, planImages(all).removing]).toEqual([
      [],
      now + 9,
      [v1, 'debian-12:v2'],
    ]);
    expect(actions({ ...all, now: now + 9 })).toEqual(['check v2']);
    expect(planImages({ ...all, short: false }).removing).toEqual([]);
  });

  test('stays when room came in another way before it went', () => {
    const it = { ...both, removals: deleting('v2', now + 1) };
    expect([actions(it), states(it), planImages(it).removing]).toEqual([
      [],
      ['v1 Ready Retained', 'v2 Ready Retained'],
      [],
    ]);
  });

  test('that is desired again is no candidate', () => {
    const it = observed({ desired: [desiredImage('v2'), ...retained('v1')], stored, short: true });
    expect(actions(it)).toEqual(['check v1']);
    expect(actions(observed({ desired: [desiredImage('v1'), desiredImage('v2')], stored, short: true }))).toEqual([]);
  });

  describe('and an image that found no room', () => {
    const desired = [desiredImage('v3'), ...retained('v1', 'v2')];
    const failed = (retryTime: number, verified = true) =>
      new Map([
        [
          'debian-12:v3',
          {
            fingerprint: fingerprintOf(desiredImage('v3')),
            attempts: 1,
            reason: 'NoSpace',
            message: 'm',
            retryTime,
            verified,
          },
        ],
      ]);
    const it = observed({ desired, stored, failedAttempts: failed(now + 5000) });

    test('makes room for it', () => expect(actions(it)).toEqual(['check v2']));

    test('makes no room for bytes of which no one knows whether they are the right ones', () => {
      expect(actions({ ...it, failedAttempts: failed(now + 5000, false) })).toEqual([]);
      const running = { key: 'debian-12:v3', fingerprint: fingerprintOf(desiredImage('v3')), downloadedBytes: 0 };
      expect(actions({ ...it, failedAttempts: new Map(), fetching: [running], short: true })).toEqual([]);
    });

    test('is waited for, also when the next try is due', () => {
      const going = { ...it, failedAttempts: failed(now), removals: deleting('v2', now + 1) };
      expect([actions(going), states(going)]).toEqual([
        [],
        ['v3 Pending NoSpace', 'v1 Ready Retained', 'v2 Deleting Evicted'],
      ]);
      expect(planImages(going).requeueTime).toBe(now + 1);
    });

    test('is left alone while the next try is made', () => {
      expect(actions({ ...it, failedAttempts: failed(now) })).toEqual(['fetch v3']);
      const running = { key: 'debian-12:v3', fingerprint: fingerprintOf(desiredImage('v3')), downloadedBytes: 0 };
      expect(actions({ ...it, fetching: [running] })).toEqual([]);
    });

    test('is left alone when the image failed for another reason', () => {
      const other = [...failed(now + 5000)].map(
        ([key, failedAttempts]) => [key, { ...failedAttempts, reason: 'HTTPStatus' }] as const,
      );
      expect(actions({ ...it, failedAttempts: new Map(other) })).toEqual([]);
    });
  });
});
