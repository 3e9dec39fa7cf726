import type { Monotonic } from './time.ts';

/** Of the time that passes, looking at fleets takes at most a sixth, however often they change. */
const restFactor = 5;
const longestRestMilliseconds = 1000;

/** Keeps the looks at a large collection apart: each of them goes through all of it, whatever has changed. */
export class Pace {
  readonly #now: Monotonic;
  readonly #restUntil = new Map<string, number>();

  constructor(now: Monotonic) {
    this.#now = now;
  }

  /** Milliseconds before which this one should not be looked at again. */
  rest(name: string): number {
    return Math.max(0, (this.#restUntil.get(name) ?? 0) - this.#now());
  }

  /** Runs a look, and lets others have the time that it took several times over; that of several looks adds up. */
  look<T>(name: string, look: () => T): T {
    const began = this.#now();
    const before = this.rest(name);
    const result = look();
    const took = this.#now() - began;
    // A run looks more than once: when it observes, when it plans, and again after what it asked was answered.
    const rest = Math.min(longestRestMilliseconds, before + took * restFactor);
    this.#restUntil.set(name, this.#now() + rest);
    return result;
  }

  forget(name: string): void {
    this.#restUntil.delete(name);
  }
}
