import { sleep } from '../../runtime/time.ts';

/** Waits for changes, without losing one that comes meanwhile. */
export class Turn {
  #change = new AbortController();

  next(): void {
    this.#change.abort();
  }

  /** Resolves at a change, but not before `least`, and after `most` in any case; milliseconds. */
  async after(least: number, most: number, signal: AbortSignal): Promise<void> {
    if (least > 0) await sleep(least, signal);
    await sleep(most, AbortSignal.any([signal, this.#change.signal]));
    this.#change = new AbortController();
  }
}
