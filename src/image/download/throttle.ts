import { monotonic, sleep } from '../../runtime/time.ts';

/** Takes bytes that have arrived and resolves when more may; at once when the signal aborts. */
export type Throttle = (bytes: number, signal: AbortSignal) => Promise<void>;

/** Time as a throttle sees it, in milliseconds. */
export interface ThrottleClock {
  now: () => number;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** What was not used of this last time may be caught up: unpacking holds a download up now and then. */
const burstMilliseconds = 1000;

/**
 * A token bucket of one second: over any time t at most `bytesPerSecond` × (t + 1 s) bytes, and one piece. Several downloads may
 * share one; the server is slowed down by not being read.
 */
export function createThrottle(bytesPerSecond: number, clock: ThrottleClock = { now: monotonic, sleep }): Throttle {
  // When all bytes so far are paid for.
  let due = clock.now();
  return async (bytes, signal) => {
    const now = clock.now();
    due = Math.max(due, now - burstMilliseconds) + (bytes / bytesPerSecond) * 1000;
    if (due > now) await clock.sleep(due - now, signal);
  };
}
