/** Milliseconds that only ever grow; never compare them with a wall clock or with another machine. */
export type Monotonic = () => number;
/** A number in [0, 1). */
export type Random = () => number;

export const monotonic: Monotonic = () => performance.now();

/** Resolves after `milliseconds`, or at once when the signal aborts; it never rejects. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** RFC 3339 with whole seconds, as Kubernetes writes its times. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

export interface BackoffOptions {
  initialMilliseconds: number;
  maxMilliseconds: number;
}

/**
 * The delay before attempt number `attempt` (0 for the first retry): doubled every time up to the maximum, then shortened
 * by a random part of up to a half, so that those who failed together do not come back together.
 */
export function backoffMilliseconds(attempt: number, options: BackoffOptions, random: Random): number {
  const full = Math.min(options.maxMilliseconds, options.initialMilliseconds * 2 ** Math.min(attempt, 40));
  return full * (1 - random() / 2);
}
