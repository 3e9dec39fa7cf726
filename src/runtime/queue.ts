import { backoffMilliseconds, monotonic } from './time.ts';
import type { BackoffOptions, Monotonic, Random } from './time.ts';

/** What a queue tells about itself; all durations in seconds. */
export interface QueueHooks {
  depth(keys: number): void;
  added(): void;
  retried(): void;
  waited(seconds: number): void;
  worked(seconds: number): void;
  /** Hands over a way to ask for the work that goes on, in seconds: of all keys together, and of the longest. */
  created?(unfinished: () => { sum: number; longest: number }): void;
}

export interface QueueOptions {
  backoff?: BackoffOptions;
  hooks?: QueueHooks;
  now?: Monotonic;
  random?: Random;
}

/** Keys of low priority are handed out when no others wait. */
export type Priority = 'normal' | 'low';

/** Timers cannot wait longer than 24.8 days, and waking once a day for nothing costs nothing. */
const longestDelayMilliseconds = 24 * 3600 * 1000;
/** One key in this many is taken from those of low priority, so that none of them waits for ever. */
const oneLowIn = 10;
const defaultBackoff: BackoffOptions = { initialMilliseconds: 100, maxMilliseconds: 300_000 };

/**
 * Keys to work on. A key that is added many times before its turn is handed out once; a key that is added while it is being
 * worked on is handed out again afterwards; no key is ever worked on twice at the same time. Keys come out in the order in which
 * they came, those of low priority after all others.
 */
export class WorkQueue {
  readonly #backoff: BackoffOptions;
  readonly #hooks: QueueHooks | undefined;
  readonly #now: Monotonic;
  readonly #random: Random;
  /** Waiting keys and since when; a Map keeps the order in which they came. */
  readonly #waiting = new Map<string, number>();
  /** Keys that wait until no others do. */
  readonly #low = new Map<string, number>();
  #handedOut = 0;
  /** Keys being worked on and since when. */
  readonly #working = new Map<string, number>();
  /** Keys that were added while being worked on. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #idle: (() => void)[] = [];
  #closed = false;

  constructor(options: QueueOptions = {}) {
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#hooks = options.hooks;
    this.#now = options.now ?? monotonic;
    this.#random = options.random ?? Math.random;
    this.#hooks?.created?.(() => this.#unfinished());
  }

  #unfinished(): { sum: number; longest: number } {
    const seconds = [...this.#working.values()].map((since) => (this.#now() - since) / 1000);
    return { sum: seconds.reduce((sum, it) => sum + it, 0), longest: Math.max(0, ...seconds) };
  }

  /** Keys that wait for a worker now; delayed keys are not counted. */
  get size(): number {
    return this.#waiting.size + this.#low.size;
  }

  /** Adds the key. `low`: after all others, for a change that concerns thousands at once and must keep nothing urgent waiting. */
  add(key: string, priority: Priority = 'normal'): void {
    if (priority === 'low') {
      this.#addLow(key);
      return;
    }
    if (this.#closed || this.#waiting.has(key) || this.#again.has(key)) return;
    this.#hooks?.added();
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.set(key, this.#low.get(key) ?? this.#now());
    this.#low.delete(key);
    this.#handOut();
  }

  #addLow(key: string): void {
    if (this.#working.has(key)) this.add(key);
    if (this.#closed || this.#working.has(key) || this.#waiting.has(key) || this.#low.has(key)) return;
    this.#hooks?.added();
    this.#low.set(key, this.#now());
    this.#handOut();
  }

  /** Adds the key after a delay. Of several delayed adds of a key the earliest counts; handing the key out cancels it. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#closed) return;
    if (milliseconds <= 0) {
      this.add(key);
      return;
    }
    const delay = Math.min(milliseconds, longestDelayMilliseconds);
    const at = this.#now() + delay;
    const earlier = this.#delayed.get(key);
    if (earlier && earlier.at <= at) return;
    clearTimeout(earlier?.timer);
    const timer = setTimeout(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, delay);
    this.#delayed.set(key, { at, timer });
  }

  /** Adds the key after its own back-off, which grows with every call until `forget`; never before `atLeastMilliseconds`. */
  addRateLimited(key: string, atLeastMilliseconds = 0): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#hooks?.retried();
    const delay = backoffMilliseconds(failures, this.#backoff, this.#random);
    this.addAfter(key, Math.max(delay, atLeastMilliseconds));
  }

  /** Ends the back-off of a key. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often the key was added with back-off since it was last forgotten. */
  retries(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key, as soon as there is one; undefined once the queue is closed. Call `done` when the work on it ends. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#handOut();
    });
  }

  done(key: string): void {
    const since = this.#working.get(key);
    if (since === undefined) return;
    this.#working.delete(key);
    this.#hooks?.worked((this.#now() - since) / 1000);
    if (this.#again.delete(key) && !this.#closed) {
      this.#waiting.set(key, this.#now());
      this.#handOut();
    }
    if (this.#working.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Hands out no more keys, forgets those that wait, and resolves when the work under way has ended. */
  async drain(): Promise<void> {
    this.#closed = true;
    for (const { timer } of this.#delayed.values()) clearTimeout(timer);
    this.#delayed.clear();
    this.#waiting.clear();
    this.#low.clear();
    this.#again.clear();
    this.#failures.clear();
    this.#hooks?.depth(0);
    for (const resolve of this.#takers.splice(0)) resolve(undefined);
    if (this.#working.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #handOut(): void {
    while (this.#takers.length > 0) {
      const next = this.#next();
      if (!next) break;
      const [key, since] = next;
      this.#working.set(key, this.#now());
      this.#hooks?.waited((this.#now() - since) / 1000);
      // What the coming run finds out decides when the next one is due, so an older appointment is void.
      clearTimeout(this.#delayed.get(key)?.timer);
      this.#delayed.delete(key);
      this.#takers.shift()?.(key);
    }
    this.#hooks?.depth(this.size);
  }

  /** Takes the next key out; now and then one of low priority. */
  #next(): [key: string, since: number] | undefined {
    if (this.size === 0) return undefined;
    const isTurnOfLow = ++this.#handedOut % oneLowIn === 0;
    for (const keys of isTurnOfLow ? [this.#low, this.#waiting] : [this.#waiting, this.#low]) {
      for (const entry of keys) {
        keys.delete(entry[0]);
        return entry;
      }
    }
    return undefined;
  }
}
