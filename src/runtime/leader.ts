import type { Logger } from 'pino';
import { monotonic, sleep } from './time.ts';
import type { Monotonic, Random } from './time.ts';

/** What a Lease says about who leads. */
export interface LeaseRecord {
  /** '' when the last leader gave it back. */
  holderIdentity: string;
  leaseDurationSeconds: number;
  acquireTime: string;
  renewTime: string;
  leaseTransitions: number;
}

export interface StoredLease {
  record: LeaseRecord;
  resourceVersion: string;
}

/** Where the lease is kept. Both writes throw when somebody else was faster; never force them. */
export interface LeasePort {
  get(signal: AbortSignal): Promise<StoredLease | undefined>;
  create(record: LeaseRecord, signal: AbortSignal): Promise<StoredLease>;
  update(record: LeaseRecord, resourceVersion: string, signal: AbortSignal): Promise<StoredLease>;
}

export interface LeaderElectionOptions {
  lease: LeasePort;
  /** Unlike that of any other candidate, also of an earlier run of this one. */
  identity: string;
  logger: Logger;
  /** Others wait this long after the last renewal that they saw. */
  leaseSeconds?: number;
  /** A leader that could not renew for this long stops leading. Less than `leaseSeconds` by more than clocks can be apart. */
  renewDeadlineSeconds?: number;
  retrySeconds?: number;
  now?: Monotonic;
  wallClock?: () => Date;
  random?: Random;
}

/** Another process leads now, or may. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

/** A single request may take half of the renew deadline at most, so that a lost answer alone loses no leadership. */
const attemptsPerDeadline = 2;
/** Of a lease: clocks may run at different speeds, and a server needs a moment to give up a call that has ended. */
const safeShare = 0.9;

/**
 * Leader election over a Lease by the rules of client-go: whether a lease has expired is judged by how long ago it was last
 * seen to change, on the clock of this process; the times written in it are for people.
 */
export class LeaderElector {
  readonly #options: LeaderElectionOptions;
  readonly #logger: Logger;
  readonly #now: Monotonic;
  readonly #leaseSeconds: number;
  readonly #deadlineMilliseconds: number;
  readonly #retryMilliseconds: number;
  /** The last state of the lease that was seen, and when it was first seen. */
  #seen: { version: string; at: number } | undefined;
  /** The lease as this process wrote it; undefined when it must be read before the next write. */
  #own: StoredLease | undefined;
  /** When the last successful renewal was sent; undefined while this process does not lead. */
  #renewedAt: number | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#logger = options.logger.child({ identity: options.identity });
    this.#now = options.now ?? monotonic;
    this.#leaseSeconds = options.leaseSeconds ?? 15;
    this.#deadlineMilliseconds = (options.renewDeadlineSeconds ?? 10) * 1000;
    this.#retryMilliseconds = (options.retrySeconds ?? 2) * 1000;
  }

  /** Whether this process may write as the leader now. Ask before every write: a stalled process does not notice its loss. */
  isLeader(): boolean {
    return this.#renewedAt !== undefined && this.#now() - this.#renewedAt < this.#deadlineMilliseconds;
  }

  /**
   * Seconds within which a write that begins now must be over, because another process may lead then; 0 when this one does not
   * lead. Others wait for the whole lease from when they saw the last renewal, which is after it was sent.
   */
  writeSeconds(): number {
    if (this.#renewedAt === undefined || !this.isLeader()) return 0;
    return this.#leaseSeconds * safeShare - (this.#now() - this.#renewedAt) / 1000;
  }

  /**
   * Waits for leadership, then runs `lead` under it. When `signal` aborts, so does the signal of `lead`; the lease is kept
   * until `lead` has ended and then given back. On loss of leadership the signal of `lead` aborts and a LeadershipLostError
   * is thrown at once: the process should exit, for what still runs must not go on.
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const random = this.#options.random ?? Math.random;
    this.#logger.info('Waiting for leadership');
    while (!(await this.#tryToHold(signal))) {
      await sleep(this.#retryMilliseconds * (1 + random() / 5), signal);
      if (signal.aborted) return;
    }
    this.#logger.info('Became leader');
    const lost = new AbortController();
    const ended = new AbortController();
    const leading = lead(AbortSignal.any([signal, lost.signal])).finally(() => ended.abort());
    leading.catch(() => undefined); // It is awaited below, unless leadership is lost before.
    try {
      await this.#renewUntil(ended.signal);
    } catch (error) {
      lost.abort(error);
      throw error;
    }
    await this.#release();
    await leading;
  }

  async #renewUntil(ended: AbortSignal): Promise<void> {
    const running = () => !ended.aborted;
    while (running()) {
      await sleep(this.#retryMilliseconds, ended);
      if (!running()) return;
      await this.#tryToHold(ended);
      if (running() && !this.isLeader()) throw new LeadershipLostError('Leadership was lost');
    }
  }

  /** Takes or renews the lease if the rules allow it now. */
  async #tryToHold(signal: AbortSignal): Promise<boolean> {
    const sentAt = this.#now();
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#attemptMilliseconds())]);
    try {
      const before = this.#own ?? (await this.#options.lease.get(limited));
      if (before && !this.#mayTake(before)) {
        this.#renewedAt = undefined;
        return false;
      }
      this.#own = await this.#write(before, this.#recordAfter(before?.record), limited);
      this.#renewedAt = sentAt;
      return true;
    } catch (error) {
      this.#own = undefined;
      if (!signal.aborted) this.#logger.warn({ err: error }, 'Lease was not renewed or taken');
      return false;
    }
  }

  #attemptMilliseconds(): number {
    const most = this.#deadlineMilliseconds / attemptsPerDeadline;
    const left = this.#renewedAt === undefined ? most : this.#renewedAt + this.#deadlineMilliseconds - this.#now();
    return Math.max(1, Math.ceil(Math.min(most, left)));
  }

  #mayTake({ record, resourceVersion }: StoredLease): boolean {
    if (this.#seen?.version !== resourceVersion) this.#seen = { version: resourceVersion, at: this.#now() };
    if (record.holderIdentity === '' || record.holderIdentity === this.#options.identity) return true;
    return this.#now() - this.#seen.at >= record.leaseDurationSeconds * 1000;
  }

  #recordAfter(before: LeaseRecord | undefined): LeaseRecord {
    const time = (this.#options.wallClock ?? (() => new Date()))().toISOString();
    const mine = before?.holderIdentity === this.#options.identity;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: this.#leaseSeconds,
      acquireTime: mine ? before.acquireTime : time,
      renewTime: time,
      leaseTransitions: before ? before.leaseTransitions + (mine ? 0 : 1) : 0,
    };
  }

  #write(before: StoredLease | undefined, record: LeaseRecord, signal: AbortSignal): Promise<StoredLease> {
    const { lease } = this.#options;
    return before ? lease.update(record, before.resourceVersion, signal) : lease.create(record, signal);
  }

  /** Lets the next candidate start at once instead of waiting for the lease to expire. */
  async #release(): Promise<void> {
    this.#renewedAt = undefined;
    const limit = AbortSignal.timeout(this.#deadlineMilliseconds / attemptsPerDeadline);
    try {
      const held = await this.#options.lease.get(limit);
      if (held?.record.holderIdentity !== this.#options.identity) return;
      const record = { ...this.#recordAfter(held.record), holderIdentity: '', leaseDurationSeconds: 1 };
      await this.#options.lease.update(record, held.resourceVersion, limit);
      this.#logger.info('Gave leadership back');
    } catch (error) {
      this.#logger.warn({ err: error }, 'Leadership was not given back, it ends when the lease expires');
    }
  }
}
