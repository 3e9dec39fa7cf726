import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { isConflict, retryAfterSeconds } from './errors.ts';
import { keyOf, parseKey } from './object.ts';
import type { KubeObject } from './object.ts';
import { WorkQueue } from './queue.ts';
import type { Priority, QueueHooks, QueueOptions } from './queue.ts';
import type { Reflector } from './reflector.ts';
import { aborted, monotonic } from './time.ts';
import type { Monotonic } from './time.ts';

/** What to reconcile: only a name. The state of the object is read again by every run, so no event can be missed. */
export interface Request {
  key: string;
  /** '' for what lives in no namespace. */
  namespace: string;
  name: string;
}

export interface Result {
  /** Look again after this time even if nothing changes. Waiting is a result, not an error. */
  requeueAfterSeconds?: number | undefined;
  /** Nothing was done yet: what failed before still counts for the next back-off. */
  postponed?: boolean;
}

export interface ReconcileContext {
  /** Carries the controller, the object, an id of this run, and why it was asked for. */
  logger: Logger;
  /** Aborts when the process stops or leadership is lost; hand it to everything that waits. */
  signal: AbortSignal;
}

/**
 * Brings one object closer to what is desired. Whatever it throws is logged, and it is called again with growing delays. That a person
 * must act first is no error: the status says it.
 */
export type Reconcile = (request: Request, context: ReconcileContext) => Promise<Result>;

/** Where keys come from. */
export interface Source {
  readonly name: string;
  /** Resolves when all that exists at the start has been seen; also when the signal aborts. */
  synced(signal: AbortSignal): Promise<void>;
  /** Adds keys until the returned function is called, first of all those that are known already; `priority`: see WatchOptions. */
  start(add: (key: string, priority?: Priority) => void): () => void;
}

export interface WatchOptions<T> {
  /**
   * The keys to reconcile when this object changes; by default its own. It is asked for the state before and for that after the
   * change, each time with the other one too, so that it can leave out what is the same in both.
   */
  keys?: (object: T, other: T | undefined) => Iterable<string>;
  /** Skips changes that do not matter to this controller; new and deleted objects always count. */
  predicate?: (old: T, current: T) => boolean;
  /** `low`: its keys wait until no others do. For a change that concerns thousands at once, and each of them little. */
  priority?: Priority;
}

/** A source of keys from the changes that a reflector sees. The reflector is run by somebody else and may be shared. */
export function watch<T extends KubeObject>(reflector: Reflector<T>, options: WatchOptions<T> = {}): Source {
  const keys = options.keys ?? ((object: T) => [keyOf(object.metadata)]);
  return {
    name: reflector.name,
    synced: (signal) => reflector.synced(signal),
    start: (add) =>
      reflector.store.subscribe((_key, old, current) => {
        if (old && current && options.predicate && !options.predicate(old, current)) return;
        if (old) for (const key of keys(old, current)) add(key, options.priority);
        if (current) for (const key of keys(current, old)) add(key, options.priority);
      }),
  };
}

export type ReconcileOutcome = 'success' | 'requeue_after' | 'error';

export interface ControllerHooks {
  queue: QueueHooks;
  reconciled(outcome: ReconcileOutcome, seconds: number): void;
  /** How many workers there are, and how many of them reconcile now. */
  workers(most: number, active: number): void;
}

export interface ControllerOptions {
  name: string;
  sources: readonly Source[];
  reconcile: Reconcile;
  logger: Logger;
  /** How many different keys are reconciled at the same time; 1 by default. */
  workers?: number;
  hooks?: ControllerHooks;
  queue?: Omit<QueueOptions, 'hooks'>;
  now?: Monotonic;
}

export interface Controller {
  readonly name: string;
  /** Asks for a run of this key, from outside of all sources. */
  enqueue(key: string): void;
  /** Reconciles until the signal aborts; resolves when the last run has ended. To be called once. */
  run(signal: AbortSignal): Promise<void>;
}

/** Joins sources, a queue and a reconcile function. It waits for all sources before the first run. */
export function createController(options: ControllerOptions): Controller {
  const { name, hooks } = options;
  const queue = new WorkQueue({ ...options.queue, ...(hooks && { hooks: hooks.queue }) });
  const logger = options.logger.child({ controller: name });
  const mostWorkers = options.workers ?? 1;
  let active = 0;
  const countWorkers = (change: number) => {
    active += change;
    hooks?.workers(mostWorkers, active);
  };

  /** Why each key that waits is there: the names of sources. Where there are none, its last run asked for another one. */
  const reasons = new Map<string, Set<string>>();
  const again = new Map<string, 'requeueAfter' | 'retry'>();
  const because = (key: string, reason: string): void =>
    void reasons.set(key, (reasons.get(key) ?? new Set()).add(reason));

  async function work(signal: AbortSignal): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      countWorkers(1);
      await reconcileKey(key, signal);
      countWorkers(-1);
      queue.done(key);
    }
  }

  /** The only place that decides about retries. */
  async function reconcileKey(key: string, signal: AbortSignal): Promise<void> {
    const now = options.now ?? monotonic;
    const started = now();
    const causes = [...(reasons.get(key) ?? [again.get(key) ?? 'enqueued'])];
    reasons.delete(key);
    again.delete(key);
    const run = logger.child({ object: key, reconcileID: randomUUID(), because: causes });
    let outcome: ReconcileOutcome = 'success';
    try {
      const result = await options.reconcile({ key, ...parseKey(key) }, { logger: run, signal });
      if (!result.postponed) queue.forget(key);
      if (result.requeueAfterSeconds !== undefined) {
        outcome = 'requeue_after';
        again.set(key, 'requeueAfter');
        queue.addAfter(key, result.requeueAfterSeconds * 1000);
      }
    } catch (error) {
      outcome = 'error';
      again.set(key, 'retry');
      queue.addRateLimited(key, (retryAfterSeconds(error) ?? 0) * 1000);
      // A lost race is ordinary, and what comes of it after the stop interests no one.
      run[isConflict(error) || signal.aborted ? 'debug' : 'error']({ err: error }, 'Reconciling failed');
    }
    hooks?.reconciled(outcome, (now() - started) / 1000);
  }

  return {
    name,
    enqueue: (key) => {
      because(key, 'enqueued');
      queue.add(key);
    },
    run: async (signal) => {
      const stops = options.sources.map((source) =>
        source.start((key, priority) => {
          because(key, source.name);
          queue.add(key, priority);
        }),
      );
      await Promise.all(options.sources.map((source) => source.synced(signal)));
      const workers = signal.aborted ? [] : Array.from({ length: mostWorkers }, () => work(signal));
      countWorkers(0);
      if (!signal.aborted) logger.info({ workers: workers.length }, 'Started controller');
      await aborted(signal);
      for (const stop of stops) stop();
      await queue.drain();
      await Promise.all(workers);
      logger.info('Stopped controller');
    },
  };
}
