import { describe, expect, test } from 'vitest';
import type { ImageFile } from './store/image-file.ts';
import { fingerprintOf, plan } from './plan.ts';
import type { Observed } from './plan.ts';
import { storedImage, wantedImage } from '../../test/fixtures/agent/wanted.ts';

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
    fetching: [],
    maxFetches: 1,
    short: false,
    now,
  };
  return { ...empty, store: { images: stored, broken }, ...rest };
}

const failedTry = (attempts: number, retryTime: number, image = wantedImage()) =>
  new Map([
    [v1, { fingerprint: fingerprintOf(image), attempts, reason: 'NoSpace', message: 'The disk is full', retryTime }],
  ]);

const steps = (of: Observed) =>
  plan(of).steps.map((step) => (step.do === 'cancelFetch' ? `cancel ${step.key}` : `${step.do} ${step.image.version}`));
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
    const it = observed({ wanted: [wantedImage()], fetching: [fetching] });
    expect(steps(it)).toEqual([]);
    expect(plan(it).images[0]).toMatchObject({ state: 'Fetching', downloadedBytes: 7, totalBytes: 9 });
  });

  test('waits for its turn while another one is fetched', () => {
    const it = observed({ wanted: [wantedImage(), wantedImage('v2')] });
    expect([steps(it), states(it)]).toEqual([['fetch v1'], ['v1 Fetching', 'v2 Pending Queued']]);
  });

  describe('of which an agent has died', () => {
    const deadly = (image = wantedImage(), retryTime = now - 1): Observed['tries'] =>
      new Map([
        [
          `${image.os}:${image.version}`,
          { fingerprint: fingerprintOf(image), attempts: 1, reason: 'AgentDied', message: 'm', retryTime },
        ],
      ]);
    const [one, two, three] = [wantedImage(), wantedImage('v2'), wantedImage('v3')];
    const fetchOf = (image = wantedImage()) => ({
      key: `${image.os}:${image.version}`,
      fingerprint: fingerprintOf(image),
      downloadedBytes: 0,
    });

    test('waits behind all others', () => {
      const it = observed({ wanted: [one, two, three], tries: deadly(), maxFetches: 3 });
      expect([steps(it), states(it)]).toEqual([
        ['fetch v2', 'fetch v3'],
        ['v1 Pending AgentDied', 'v2 Fetching', 'v3 Fetching'],
      ]);
      expect(steps({ ...it, fetching: [fetchOf(two)], wanted: [one, two] })).toEqual([]);
    });

    test('is fetched alone', () => {
      const it = observed({ wanted: [one, two], tries: deadly(), stored: [storedImage('v2')], maxFetches: 3 });
      expect(steps(it)).toEqual(['fetch v1']);
      const running = observed({ wanted: [one, two], tries: deadly(), fetching: [fetchOf(one)], maxFetches: 3 });
      expect([steps(running), states(running)]).toEqual([[], ['v1 Fetching AgentDied', 'v2 Pending Queued']]);
    });

    test('is Failed after three agents, whatever is granted', () => {
      const died = (attempts: number) => {
        const [[key, tries] = ['', undefined]] = [...deadly(one, now + 5000)];
        return new Map(tries ? [[key, { ...tries, attempts }]] : []);
      };
      const patient = [{ ...wantedImage(), backoffLimit: 100 }];
      const tries = (attempts: number) =>
        new Map(
          [...died(attempts)].map(([key, it]) => [key, { ...it, fingerprint: fingerprintOf(patient[0] ?? one) }]),
        );
      expect(states(observed({ wanted: patient, tries: tries(2) }))).toEqual(['v1 Pending AgentDied']);
      expect(states(observed({ wanted: patient, tries: tries(3) }))).toEqual(['v1 Failed AgentDied']);
    });
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

  test('stays as it is in the store when only the way to fetch it has changed', () => {
    const wanted = [wantedImage('v1', { timeoutSeconds: 61, bytesPerSecond: 5000 })];
    const it = observed({ wanted, stored: [storedImage()] });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Ready']]);
  });

  test('has the same fingerprint in whatever order its fields come', () => {
    const { os, ...rest } = wantedImage();
    expect(fingerprintOf({ ...rest, os })).toBe(fingerprintOf(wantedImage()));
  });

  test('is fetched again when it changes while it is being fetched', () => {
    const fetching = { key: v1, fingerprint: 'of another source', downloadedBytes: 7 };
    expect(steps(observed({ wanted: [wantedImage()], fetching: [fetching] }))).toEqual([`cancel ${v1}`]);
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

  test('goes when no one uses it', () => {
    const departures = new Map([[v1, { phase: 'Leaving' as const, removeTime: now }]]);
    expect(steps(observed({ ...conflict, departures }))).toEqual(['remove v1']);
  });

  test('counts as another one also when only its mount script differs', () => {
    const wanted = [wantedImage('v1', { mountScript: 'echo hello' })];
    expect(states(observed({ wanted, stored: [storedImage()] }))).toEqual(['v1 Pending DigestConflict']);
  });
});

describe('an image that no one wants', () => {
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
    expect(steps(observed({ fetching: [{ key: v1, fingerprint: 'x', downloadedBytes: 0 }] }))).toEqual([
      `cancel ${v1}`,
    ]);
  });
});

describe('an image whose tree is not what was published', () => {
  const found = (kind: 'changed' | 'unverified', publishTime = '2026-01-01T00:00:00Z') =>
    new Map([[v1, { publishTime, finding: { kind, message: 'root/usr/bin/x is missing' } }]]);
  const used = new Map([[v1, { phase: 'Used' as const, checkTime: now + 9, message: 'Pod a/b uses it' }]]);
  const changed = { stored: [storedImage()], verifications: found('changed') };

  test('is not Ready, says so, and goes when no one uses it', () => {
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

  test('is not Ready either when no one wants it', () => {
    const it = observed({ ...changed, departures: used });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Failed TreeChanged']]);
  });

  test('is Ready and says so when that cannot be known', () => {
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

  test('goes when no one wants it, if no Pod uses it', () => {
    const it = observed({ broken });
    expect([steps(it), states(it), plan(it).departing]).toEqual([['check v1'], [], [v1]]);
  });

  test('goes first when it is wanted, and is reported', () => {
    const it = observed({ broken, wanted: [wantedImage()] });
    expect([steps(it), states(it)]).toEqual([['check v1'], ['v1 Pending BrokenEntry']]);
  });
});

describe('several fetches', () => {
  const wanted = ['v1', 'v2', 'v3'].map((version) => wantedImage(version));
  const running = (image = wantedImage(), fingerprint = fingerprintOf(image)) => ({
    key: `debian-12:${image.version}`,
    fingerprint,
    downloadedBytes: 7,
  });

  test('begin as far as they may, and each tells of itself', () => {
    const it = observed({ wanted, maxFetches: 2 });
    expect([steps(it), states(it)]).toEqual([
      ['fetch v1', 'fetch v2'],
      ['v1 Fetching', 'v2 Fetching', 'v3 Pending Queued'],
    ]);
    expect(steps(observed({ wanted, maxFetches: 2, fetching: [running()] }))).toEqual(['fetch v2']);
    expect(steps(observed({ wanted, maxFetches: 2, fetching: [running(), running(wantedImage('v3'))] }))).toEqual([]);
  });

  test('go on when fewer are allowed than are running', () => {
    const fetching = [running(), running(wantedImage('v2'))];
    const it = observed({ wanted, maxFetches: 1, fetching });
    expect([steps(it), states(it)]).toEqual([[], ['v1 Fetching', 'v2 Fetching', 'v3 Pending Queued']]);
  });

  test('are cancelled one by one', () => {
    const fetching = [running(), running(wantedImage('v2'), 'of another source'), running(wantedImage('v9'))];
    expect(steps(observed({ wanted, maxFetches: 3, fetching }))).toEqual([
      'cancel debian-12:v2',
      'cancel debian-12:v9',
    ]);
  });

  test('go on when only what is known of the image changes', () => {
    const hinted = [wantedImage('v1', { unpackedBytes: 5 })];
    expect(steps(observed({ wanted: hinted, fetching: [running()] }))).toEqual([]);
    expect(states(observed({ wanted: hinted, tries: failedTry(2, now + 5000) }))).toEqual(['v1 Pending NoSpace']);
  });
});

describe('a retained image', () => {
  const retained = (...versions: string[]) => versions.map((version) => wantedImage(version, { retained: true }));
  const stored = [
    storedImage('v1', { publishTime: '2026-01-02T00:00:00Z' }),
    storedImage('v2', { publishTime: '2026-01-01T00:00:00Z' }),
  ];
  const both = observed({ wanted: retained('v1', 'v2'), stored });
  const leaving = (version: string, removeTime: number | undefined = now) =>
    new Map([[`debian-12:${version}`, { phase: 'Leaving' as const, removeTime }]]);
  const used = (...versions: string[]) =>
    new Map(
      versions.map((version) => [
        `debian-12:${version}`,
        { phase: 'Used' as const, checkTime: now + 9, message: 'Pod a/b uses it' },
      ]),
    );

  test('is Ready, and stays while there is room', () => {
    expect([steps(both), states(both), plan(both).departing]).toEqual([
      [],
      ['v1 Ready Retained', 'v2 Ready Retained'],
      [],
    ]);
  });

  test('is not fetched when it is not there, and nothing is said of it', () => {
    const it = observed({ wanted: retained('v1') });
    expect([steps(it), states(it)]).toEqual([[], []]);
  });

  test('that is stored with another digest is an image that no one wants', () => {
    const it = observed({ wanted: retained('v1'), stored: [storedImage('v1', { digestOf: 'b' })] });
    expect([steps(it), states(it)]).toEqual([['check v1'], ['v1 Ready']]);
  });

  test('goes when the disk is short, the oldest first, and is announced first', () => {
    const short = { ...both, short: true };
    expect([steps(short), states(short)]).toEqual([['check v2'], ['v1 Ready Retained', 'v2 Ready Retained']]);
    const announced = { ...short, departures: leaving('v2', now + 1) };
    expect([steps(announced), states(announced)]).toEqual([[], ['v1 Ready Retained', 'v2 Deleting Evicted']]);
    expect(steps({ ...announced, departures: leaving('v2') })).toEqual(['remove v2']);
  });

  test('stays while another image is on its way out', () => {
    const unwanted = storedImage('v0');
    const it = { ...both, store: { images: [...stored, unwanted], broken: [] }, short: true };
    expect(steps({ ...it, departures: leaving('v0') })).toEqual(['remove v0']);
  });

  test('that a Pod uses is skipped, and looked at again while room is needed', () => {
    const it = { ...both, short: true, departures: used('v2') };
    expect([steps(it), states(it)]).toEqual([['check v1'], ['v1 Ready Retained', 'v2 Ready Retained']]);
    const all = { ...it, departures: used('v1', 'v2') };
    expect([steps(all), plan(all).wakeTime, plan(all).departing]).toEqual([[], now + 9, [v1, 'debian-12:v2']]);
    expect(steps({ ...all, now: now + 9 })).toEqual(['check v2']);
    expect(plan({ ...all, short: false }).departing).toEqual([]);
  });

  test('stays when room came in another way before it went', () => {
    const it = { ...both, departures: leaving('v2', now + 1) };
    expect([steps(it), states(it), plan(it).departing]).toEqual([[], ['v1 Ready Retained', 'v2 Ready Retained'], []]);
  });

  test('that is wanted again is no candidate', () => {
    const it = observed({ wanted: [wantedImage('v2'), ...retained('v1')], stored, short: true });
    expect(steps(it)).toEqual(['check v1']);
    expect(steps(observed({ wanted: [wantedImage('v1'), wantedImage('v2')], stored, short: true }))).toEqual([]);
  });

  describe('and an image that found no room', () => {
    const wanted = [wantedImage('v3'), ...retained('v1', 'v2')];
    const failed = (retryTime: number, verified = true) =>
      new Map([
        [
          'debian-12:v3',
          {
            fingerprint: fingerprintOf(wantedImage('v3')),
            attempts: 1,
            reason: 'NoSpace',
            message: 'm',
            retryTime,
            verified,
          },
        ],
      ]);
    const it = observed({ wanted, stored, tries: failed(now + 5000) });

    test('makes room for it', () => expect(steps(it)).toEqual(['check v2']));

    test('makes no room for bytes of which no one knows whether they are the right ones', () => {
      expect(steps({ ...it, tries: failed(now + 5000, false) })).toEqual([]);
      const running = { key: 'debian-12:v3', fingerprint: fingerprintOf(wantedImage('v3')), downloadedBytes: 0 };
      expect(steps({ ...it, tries: new Map(), fetching: [running], short: true })).toEqual([]);
    });

    test('is waited for, also when the next try is due', () => {
      const going = { ...it, tries: failed(now), departures: leaving('v2', now + 1) };
      expect([steps(going), states(going)]).toEqual([
        [],
        ['v3 Pending NoSpace', 'v1 Ready Retained', 'v2 Deleting Evicted'],
      ]);
      expect(plan(going).wakeTime).toBe(now + 1);
    });

    test('is left alone while the next try is made', () => {
      expect(steps({ ...it, tries: failed(now) })).toEqual(['fetch v3']);
      const running = { key: 'debian-12:v3', fingerprint: fingerprintOf(wantedImage('v3')), downloadedBytes: 0 };
      expect(steps({ ...it, fetching: [running] })).toEqual([]);
    });

    test('is left alone when the image failed for another reason', () => {
      const other = [...failed(now + 5000)].map(([key, tries]) => [key, { ...tries, reason: 'HTTPStatus' }] as const);
      expect(steps({ ...it, tries: new Map(other) })).toEqual([]);
    });
  });
});
