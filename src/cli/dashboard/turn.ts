/** Waits for changes, without losing one that comes meanwhile. */
export class Turn {
  #isDue = false;
  #wake: (() => void) | undefined;

  next(): void {
    this.#isDue = true;
    this.#wake?.();
  }

  /** Resolves at a change, but not before `least`, and after `most` in any case; milliseconds. */
  async after(least: number, most: number, signal: AbortSignal): Promise<void> {
    if (least > 0) await this.#rest(least, signal);
    if (!this.#isDue && !signal.aborted) await this.#rest(most, signal, (wake) => (this.#wake = wake));
    this.#wake = undefined;
    this.#isDue = false;
  }

  #rest(milliseconds: number, signal: AbortSignal, hold?: (wake: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener('abort', end, { once: true });
      hold?.(end);
    });
  }
}
