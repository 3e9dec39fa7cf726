import { describe, expect, test } from 'vitest';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { endedDowntime, endedUpgrade } from './upgrades.ts';

const at = (second: number) => `2026-11-01T00:00:${String(second).padStart(2, '0')}Z`;
const container = (status: object) => ({ metadata: { name: 'a' }, status }) as unknown as HostedContainer;
const good = { image: 'os:v1', startTime: at(0), readyTime: at(1), outcome: 'Succeeded' };
const open = { image: 'os:v2', startTime: at(10) };
const known = { lastKnownGoodImage: 'os:v1' };

describe('an attempt that ends', () => {
  const before = container({ ...known, history: [open, good] });

  test.each([
    [
      'well',
      { history: [{ ...open, outcome: 'Succeeded', readyTime: at(14) }, good] },
      { os: 'os', version: 'v2', result: 'Succeeded', reason: '', seconds: 4 },
    ],
    [
      'with a failure',
      {
        history: [{ ...open, outcome: 'Failed', endTime: at(17) }, good],
        failedImages: [{ image: 'os:v2', reason: 'CrashLooping' }],
      },
      { os: 'os', version: 'v2', result: 'Failed', reason: 'CrashLooping', seconds: 7 },
    ],
    [
      'because another one begins',
      { history: [{ image: 'os:v3', startTime: at(20) }, { ...open, outcome: 'Superseded', endTime: at(20) }, good] },
      { os: 'os', version: 'v2', result: 'Superseded', reason: '', seconds: 10 },
    ],
  ])('%s is counted once', (_how, status, ended) => {
    const after = container({ ...known, ...status });
    expect(endedUpgrade(before, after)).toEqual(ended);
    expect(endedUpgrade(after, after)).toBeUndefined();
  });

  test.each([
    [
      'a first start',
      container({ history: [open] }),
      container({ ...known, history: [{ ...open, outcome: 'Succeeded' }] }),
    ],
    ['one that goes on', before, before],
    ['an attempt that begins', container({ ...known, history: [good] }), before],
    ['a container without a status', container({}), before],
  ])('is not %s', (_what, old, current) => {
    expect(endedUpgrade(old, current)).toBeUndefined();
  });
});

describe('the time that a container is down', () => {
  const conditions = (ready: string, second: number, upgraded: string) => ({
    conditions: [
      { type: 'Ready', status: ready, reason: 'x', message: '', lastTransitionTime: at(second) },
      { type: 'Upgraded', status: 'Unknown', reason: upgraded, message: '', lastTransitionTime: at(0) },
    ],
  });
  const ready = (second: number, upgraded: string) => container({ ...known, ...conditions('True', second, upgraded) });

  test.each([
    [
      'ends with an upgrade',
      container({ ...known, ...conditions('False', 10, 'InProgress') }),
      ready(12, 'InProgress'),
      2,
    ],
    ['ends with a revert', container({ ...known, ...conditions('False', 10, 'Reverted') }), ready(15, 'Reverted'), 5],
    [
      'has nothing to do with an upgrade',
      container({ ...known, ...conditions('False', 10, 'UpToDate') }),
      ready(15, 'UpToDate'),
      undefined,
    ],
    [
      'goes on',
      container({ ...known, ...conditions('False', 10, 'InProgress') }),
      container({ ...known, ...conditions('False', 10, 'InProgress') }),
      undefined,
    ],
    ['is that of a first start', container(conditions('False', 10, 'InProgress')), ready(12, 'InProgress'), undefined],
  ])('%s', (_what, old, current, seconds) => {
    expect(endedDowntime(old, current)).toBe(seconds);
  });
});
