import { describe, expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint.ts';
import { planImages } from './images.ts';
import { storedImage, desiredImage } from '../../test/fixtures/agent/desired.ts';
import { now, v1, observed, failedTry, actions, states } from '../../test/fixtures/agent/images-observed.ts';

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
