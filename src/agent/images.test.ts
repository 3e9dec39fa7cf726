import { describe, expect, test } from 'vitest';
import { fingerprintOf } from './fingerprint.ts';
import { planImages } from './images.ts';
import type { ImagesObserved } from './images.ts';
import { storedImage, desiredImage } from '../../test/fixtures/agent/desired.ts';
import { now, v1, observed, failedTry, actions, states } from '../../test/fixtures/agent/images-observed.ts';

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
