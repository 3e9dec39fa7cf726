import { setTimeout as delay } from 'node:timers/promises';

/** How long a test waits for a state: long enough for a machine that does many other things. It costs nothing when all is well. */
export const waitSeconds = 90;
/** The same as a signal, from now on. */
export const patience = (): AbortSignal => AbortSignal.timeout(waitSeconds * 1000);

/** Tries the check again and again until it does not throw, and throws what it threw last after `seconds`. */
export async function eventually<T>(check: () => T | Promise<T>, seconds = waitSeconds): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(25);
    }
  }
}
