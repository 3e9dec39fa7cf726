import { setImmediate } from 'node:timers/promises';

/** So long a loop of quick steps may keep all else waiting. */
const turnMilliseconds = 10;

/**
 * For loops of calls that do not wait: lets all else have its turn after some milliseconds, and throws the reason of the signal when that has
 * aborted. So a loop over any number of files holds up nothing, and can be stopped.
 */
export class Turns {
  readonly #signal: AbortSignal;
  #began = performance.now();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async next(): Promise<void> {
    if (performance.now() - this.#began < turnMilliseconds) return;
    await setImmediate();
    this.#signal.throwIfAborted();
    this.#began = performance.now();
  }
}
