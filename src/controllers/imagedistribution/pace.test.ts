import { describe, expect, test } from 'vitest';
import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { WritePace, isNews } from './pace.ts';

const lastTransitionTime = '2026-01-01T00:00:00Z';
const status = (updated: number, message: string, extra: Partial<ImageDistributionStatus> = {}) => ({
  containers: { following: 10, updated, updating: 1, reverted: 0, unavailable: 1 },
  conditions: [
    { type: 'Ready', status: 'False' as const, reason: 'RollingOut', message, lastTransitionTime },
    { type: 'RolloutHalted', status: 'False' as const, reason: 'NotHalted', message: '', lastTransitionTime },
  ],
  ...extra,
});

describe('news', () => {
  test('are no other numbers of containers, and no other texts with them', () => {
    expect(isNews(status(1, '1 of 10'), status(2, '2 of 10'))).toBe(false);
  });

  test.each<[string, ImageDistributionStatus]>([
    ['the first status', {}],
    ['another condition', { ...status(1, 'x'), conditions: [] }],
    ['another wave', status(1, 'x', { rollout: { image: 'os:v1', startTime: lastTransitionTime, wave: 2 } })],
    ['nodes', status(1, 'x', { nodes: { desired: 1, ready: 1, active: 0, failed: 0 } })],
  ])('are %s', (_name, before) => {
    expect(isNews(before, status(1, 'x'))).toBe(true);
  });
});

test('numbers of containers are written once a second', () => {
  let now = 0;
  const pace = new WritePace(() => now);
  expect(pace.untilWrite('a')).toBe(0);
  pace.wrote('a');
  now += 300;
  expect(pace.untilWrite('a')).toBe(700);
  pace.forget('a');
  expect(pace.untilWrite('a')).toBe(0);
});

test('the end of a rollout is estimated every 30 s, and at once when a rollout begins', () => {
  let now = 0;
  const pace = new WritePace(() => now);
  pace.wrote('a');
  expect(pace.untilEstimate('a')).toBe(0);
  pace.wrote('a', true);
  now += 10_000;
  pace.wrote('a', true);
  expect(pace.untilEstimate('a')).toBe(20_000);
  now += 20_000;
  expect(pace.untilEstimate('a')).toBe(0);
});
