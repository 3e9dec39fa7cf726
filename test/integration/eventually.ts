import { setTimeout as delay } from 'node:timers/promises';

/** Tries the check again and again until it does not throw, and throws what it threw last after `seconds`. */
export async function eventually<T>(check: () => T | Promise<T>, seconds = 20): Promise<T> {
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
