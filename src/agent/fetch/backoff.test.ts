import { expect, test } from 'vitest';
import { delayAfterDeath, exhausted, retryDelay } from './backoff.ts';

test('the delay doubles from five seconds to five minutes', () => {
  const delays = [1, 2, 3, 6, 7, 20].map((attempts) => retryDelay(attempts, 100, () => 0));
  expect(delays).toEqual([5_000, 10_000, 20_000, 160_000, 300_000, 300_000]);
});

test('chance shortens a delay by a half at most', () => {
  expect(retryDelay(2, 100, () => 0.999)).toBeGreaterThan(5_000);
  expect(retryDelay(2, 100, () => 0.999)).toBeLessThan(5_100);
});

test('once the granted retries are used up it goes on every ten minutes', () => {
  expect([2, 3].map((attempts) => exhausted(attempts, 2))).toEqual([false, true]);
  expect(retryDelay(3, 2, () => 0)).toBe(600_000);
  expect(retryDelay(1, 0, () => 0)).toBe(600_000);
});

test('a death is followed by short pauses, and the third by an hour, whatever backoffLimit grants', () => {
  expect([1, 2, 3, 9].map((deaths) => delayAfterDeath(deaths, () => 0))).toEqual([5_000, 10_000, 3_600_000, 3_600_000]);
});
