import { setTimeout as delay } from 'node:timers/promises';
import { duration, silentScreen } from '../terminal.ts';
import type { Screen } from '../terminal.ts';

/** What one look showed: it is done, with what came of it, or what it waits for still. */
export type Look<T> = { done: T } | { waiting: string };

export interface WaitOptions {
  seconds: number;
  /** Where progress is shown; nowhere when unset. */
  screen?: Screen;
  /** What helps to understand why it did not come: conditions, events, logs. */
  explain?: () => Promise<string>;
  /** Seconds between two looks. */
  interval?: number;
}

/**
 * Looks again and again until it is done, showing what it waits for; a look that throws is one that waits, as an API server
 * may be away for a moment. Throws after `seconds`, with the last thing that was seen and the explanation.
 */
export async function waitFor<T>(description: string, look: () => Promise<Look<T>>, options: WaitOptions): Promise<T> {
  const { seconds, screen = silentScreen, explain, interval = 0.4 } = options;
  const began = performance.now();
  for (;;) {
    const seen = await look().catch((error: unknown): Look<T> => ({ waiting: messageOf(error) }));
    const passed = (performance.now() - began) / 1000;
    if ('done' in seen) {
      screen.line(`  ${screen.paint('dim', `${description} (${duration(passed)})`)}`);
      return seen.done;
    }
    if (passed > seconds) {
      const details = await explain?.().catch(messageOf);
      throw new Error(
        [`${description}: not within ${duration(seconds)}. Last seen: ${seen.waiting}`, details]
          .filter(Boolean)
          .join('\n'),
      );
    }
    screen.progress(`  ${description} … ${Math.floor(passed)} s: ${seen.waiting}`);
    await delay(interval * 1000);
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
