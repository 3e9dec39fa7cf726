import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { sameStatus } from '../../runtime/status.ts';
import type { Monotonic } from '../../runtime/time.ts';

/** Numbers of containers are written so often at most. */
const countsMilliseconds = 1000;
/** The end of a rollout is estimated so often at most. */
const estimateMilliseconds = 30_000;

/**
 * Whether the status says something new, and not only how far a rollout to thousands has come: other numbers, or another
 * container that is named as an example.
 */
export function isNews(before: ImageDistributionStatus | undefined, after: ImageDistributionStatus): boolean {
  return !sameStatus(withoutCounts(before), withoutCounts(after));
}

const chatty = new Set(['RolledOut', 'Ready', 'Reconciling']);

function withoutCounts(status: ImageDistributionStatus | undefined): object {
  const { containers: _counts, conditions, ...rest } = status ?? {};
  return { ...rest, conditions: conditions?.map((it) => (chatty.has(it.type) ? { ...it, message: '' } : it)) };
}

/** Keeps the writes of numbers of a distribution apart. */
export class WritePace {
  readonly #now: Monotonic;
  readonly #written = new Map<string, number>();
  readonly #estimated = new Map<string, number>();

  constructor(now: Monotonic) {
    this.#now = now;
  }

  /** Milliseconds before which numbers alone should not be written; 0 when they may be. */
  untilWrite(name: string): number {
    return Math.max(0, (this.#written.get(name) ?? -Infinity) + countsMilliseconds - this.#now());
  }

  /** Milliseconds before which the end of a rollout should not be estimated again; 0 when it may be. */
  untilEstimate(name: string): number {
    return Math.max(0, (this.#estimated.get(name) ?? -Infinity) + estimateMilliseconds - this.#now());
  }

  /** A status was written; one of a rollout that goes on has an estimate where that was due. */
  wrote(name: string, goesOn = false): void {
    if (goesOn && this.untilEstimate(name) === 0) this.#estimated.set(name, this.#now());
    this.#written.set(name, this.#now());
  }

  forget(name: string): void {
    this.#written.delete(name);
    this.#estimated.delete(name);
  }
}
