import type { Attempt } from '../../api/hostedcontainer.ts';

/** Seconds since a time of this operator, or of the one that led before; never negative. */
export const secondsSince = (time: string | undefined, now: Date): number =>
  time === undefined ? 0 : Math.max(0, (now.getTime() - Date.parse(time)) / 1000);

/** How long a container of the attempt could run so far, in seconds. */
export const elapsedSeconds = (attempt: Attempt, now: Date): number =>
  (attempt.elapsedSeconds ?? 0) + secondsSince(attempt.runningSince, now);
