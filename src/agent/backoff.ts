import { backoffMilliseconds } from '../runtime/time.ts';
import type { Random } from '../runtime/time.ts';

const growing = { initialMilliseconds: 5_000, maxMilliseconds: 300_000 };
const slowMilliseconds = 600_000;

/**
 * Milliseconds until the next try after `attempts` (1 or more) tries have failed: 5 s, 10 s … 5 min, each shortened by up to a
 * half at random. Once the tries that `backoffLimit` grants are used up it is ten minutes, so that what has healed is noticed.
 */
export function retryDelay(attempts: number, backoffLimit: number, random: Random): number {
  if (exhausted(attempts, backoffLimit)) return slowMilliseconds * (1 + random() / 10);
  return backoffMilliseconds(attempts - 1, growing, random);
}

/** Whether the first try and all retries that `backoffLimit` grants have failed. */
export function exhausted(attempts: number, backoffLimit: number): boolean {
  return attempts > backoffLimit;
}
