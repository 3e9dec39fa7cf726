import { backoffMilliseconds } from '../../runtime/time.ts';
import type { Random } from '../../runtime/time.ts';

const growing = { initialMilliseconds: 5_000, maxMilliseconds: 300_000 };
const slowMilliseconds = 600_000;
/** What kills the agent also ends whatever else it does. */
const deadlyMilliseconds = 3_600_000;

/**
 * Milliseconds until the next try after `attempts` (1 or more) tries have failed: 5 s, 10 s … 5 min, each shortened by up to a
 * half at random. Once the tries that `backoffLimit` grants are used up it is ten minutes, so that what has healed is noticed.
 */
export function retryDelay(attempts: number, backoffLimit: number, random: Random): number {
  if (exhausted(attempts, backoffLimit)) return slowMilliseconds * (1 + random() / 10);
  return backoffMilliseconds(attempts - 1, growing, random);
}

/**
 * Milliseconds until the next try after `deaths` (1 or more) agents have died of an image: 5 s, 10 s, and once it has killed
 * three, an hour. Not by `backoffLimit`: that is about tries that failed, and a node without power says nothing about an image.
 */
export function delayAfterDeath(deaths: number, random: Random): number {
  if (exhausted(deaths, deathLimit)) return deadlyMilliseconds * (1 + random() / 10);
  return backoffMilliseconds(deaths - 1, growing, random);
}

/** Whether the first try and all retries that `backoffLimit` grants have failed. */
export function exhausted(attempts: number, backoffLimit: number): boolean {
  return attempts > backoffLimit;
}

/** How many deaths are granted besides the first. */
export const deathLimit = 2;
