import type { Logger } from 'pino';
import { isGone, isRefusal, retryAfterSeconds } from './errors.ts';
import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';
import { SilenceError, failOnSilence } from './silence.ts';
import { Store } from './store.ts';
import type { ReadonlyStore } from './store.ts';
import { aborted, backoffMilliseconds, monotonic, sleep } from './time.ts';
import type { BackoffOptions, Monotonic, Random } from './time.ts';

export interface ListPage<T> {
  items: T[];
  /** Of the whole list, the same on all of its pages: where a watch has to start. */
  resourceVersion: string;
  /** Asks for the next page; absent on the last one. */
  continue?: string | undefined;
}

export type WatchEvent<T> =
  { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T } | { type: 'BOOKMARK'; resourceVersion: string };

/** How a reflector reaches the API server. Refusals are thrown as ApiError; a watch that ends in peace just ends. */
export interface ListWatcher<T> {
  list(options: {
    limit: number;
    continue?: string;
    resourceVersion?: string;
    signal?: AbortSignal | undefined;
  }): Promise<ListPage<T>>;
  /** Resolves when the server has accepted the watch. */
  watch(options: {
    resourceVersion: string;
    timeoutSeconds: number;
    signal: AbortSignal;
  }): Promise<AsyncIterable<WatchEvent<T>>>;
}

export interface ReflectorHooks {
  listed(objects: number): void;
  /** A watch ended: in peace, for want of a sign of life, because its resourceVersion was too old, or with another error. */
  watchEnded(why: WatchEnd): void;
  event(): void;
}
export type WatchEnd = 'closed' | 'silent' | 'gone' | 'error';

export interface ReflectorOptions<T extends KubeObject> {
  /** For logs and metrics, e.g. `pods`. */
  name: string;
  source: ListWatcher<T>;
  logger: Logger;
  hooks?: ReflectorHooks;
  /** Makes an object smaller before it is stored. `metadata.managedFields` is dropped in any case. */
  transform?: (object: T) => T;
  pageSize?: number;
  /** A watch without any sign of life for this long is taken for dead. The API server sends a bookmark every minute. */
  silenceSeconds?: number;
  /** The server is asked to end a watch after a random time between one and 1.25 of this. */
  watchSeconds?: number;
  backoff?: BackoffOptions;
  now?: Monotonic;
  random?: Random;
}

const defaultBackoff: BackoffOptions = { initialMilliseconds: 800, maxMilliseconds: 30_000 };

/** Keeps a store equal to a collection on the API server, through every kind of failure, until its signal aborts. */
export class Reflector<T extends KubeObject> {
  readonly name: string;
  readonly #options: ReflectorOptions<T>;
  readonly #store: Store<T>;
  readonly #logger: Logger;
  readonly #now: Monotonic;
  readonly #random: Random;
  readonly #backoff: BackoffOptions;
  readonly #firstSync = new AbortController();
  /** Where the next watch starts; undefined when only a list can tell. */
  #resourceVersion: string | undefined;
  #failures = 0;
  #heardAt: number;

  constructor(options: ReflectorOptions<T>) {
    this.name = options.name;
    this.#options = options;
    this.#logger = options.logger.child({ reflector: options.name });
    this.#store = new Store((error) => this.#logger.error({ err: error }, 'A subscriber failed'));
    this.#now = options.now ?? monotonic;
    this.#random = options.random ?? Math.random;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#heardAt = this.#now();
  }

  get store(): ReadonlyStore<T> {
    return this.#store;
  }

  /** Whether the store has ever held the whole collection. */
  hasSynced(): boolean {
    return this.#firstSync.signal.aborted;
  }

  /** Resolves when the store holds the whole collection for the first time; also when the signal aborts. */
  async synced(signal: AbortSignal): Promise<void> {
    if (!this.hasSynced()) await aborted(AbortSignal.any([this.#firstSync.signal, signal]));
  }

  /** How long ago the API server last gave a sign of life, for a liveness check. */
  silentSeconds(): number {
    return (this.#now() - this.#heardAt) / 1000;
  }

  /** Lists and watches until the signal aborts. Failures of the API server never end it. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = () => signal.aborted;
    while (!stopped()) {
      const started = this.#now();
      let events = 0;
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        for await (const event of this.#watch(this.#resourceVersion ?? '', signal)) {
          events++;
          this.#heard();
          this.#handle(event);
        }
        this.#heard();
        this.#options.hooks?.watchEnded('closed');
        // A server that accepts watches only to end them at once must not be asked again without end.
        if (events > 0 || this.#now() - started > 1000) this.#failures = 0;
        else await this.#pause(0, signal);
      } catch (error) {
        if (!stopped()) await this.#recover(error, this.#now() - started, signal);
      }
    }
  }

  /** Reads the whole collection page by page. When its pages become too old on the way it starts again, twice at most. */
  async #list(signal: AbortSignal, attempts = 3): Promise<void> {
    const objects: T[] = [];
    let page: ListPage<T> | undefined;
    do {
      const next = page?.continue;
      try {
        page = await this.#options.source.list({
          limit: this.#options.pageSize ?? 500,
          signal,
          ...(next !== undefined && { continue: next }),
        });
      } catch (error) {
        if (isGone(error) && next !== undefined && attempts > 1) return this.#list(signal, attempts - 1);
        throw error;
      }
      this.#heard();
      for (const item of page.items) objects.push(this.#shrink(item));
    } while (page.continue);
    this.#store.replace(objects);
    this.#resourceVersion = page.resourceVersion;
    this.#options.hooks?.listed(objects.length);
    this.#logger.debug({ objects: objects.length, resourceVersion: page.resourceVersion }, 'Listed');
    this.#firstSync.abort();
  }

  #watch(resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent<T>> {
    // Random, so that the watches of a whole fleet do not end together.
    const timeoutSeconds = Math.round((this.#options.watchSeconds ?? 240) * (1 + this.#random() / 4));
    return failOnSilence(
      async (alive) => {
        const events = await this.#options.source.watch({ resourceVersion, timeoutSeconds, signal: alive });
        this.#heard();
        return events;
      },
      (this.#options.silenceSeconds ?? 100) * 1000,
      signal,
    );
  }

  #handle(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    this.#options.hooks?.event();
    if (event.type === 'DELETED') this.#store.delete(keyOf(event.object.metadata));
    else this.#store.set(this.#shrink(event.object));
    this.#resourceVersion = event.object.metadata.resourceVersion;
  }

  /** Decides what a failure means for the next attempt, and waits for as long as it asks for. */
  async #recover(error: unknown, livedMilliseconds: number, signal: AbortSignal): Promise<void> {
    // A watch that lived longer than the longest delay can be no part of a storm.
    if (livedMilliseconds > this.#backoff.maxMilliseconds) this.#failures = 0;
    if (isGone(error)) {
      this.#options.hooks?.watchEnded('gone');
      this.#logger.info('Watch was too far behind, listing again');
      this.#resourceVersion = undefined;
      // At once, but not again and again at once.
      if (this.#failures > 0) await this.#pause(0, signal);
      else this.#failures = 1;
    } else if (error instanceof SilenceError) {
      this.#options.hooks?.watchEnded('silent');
      // The silence was wait enough. It need not be a fault: a server whose etcd reports no progress has no bookmarks to send.
      this.#logger.debug('Watch was silent, connecting again');
    } else {
      this.#options.hooks?.watchEnded('error');
      this.#logger.warn({ err: error, resourceVersion: this.#resourceVersion }, 'Watch failed, trying again');
      // The server does not take the request as it is, so the same one may never succeed.
      if (isRefusal(error)) this.#resourceVersion = undefined;
      await this.#pause((retryAfterSeconds(error) ?? 0) * 1000, signal);
    }
  }

  async #pause(atLeastMilliseconds: number, signal: AbortSignal): Promise<void> {
    const delay = backoffMilliseconds(this.#failures++, this.#backoff, this.#random);
    await sleep(Math.max(delay, atLeastMilliseconds), signal);
  }

  #heard(): void {
    this.#heardAt = this.#now();
  }

  #shrink(object: T): T {
    return shrink(object, this.#options.transform);
  }
}

/** An object as a cache keeps it, which is all that a planner ever sees of it. */
export function shrink<T extends KubeObject>(object: T, transform: (object: T) => T = (same) => same): T {
  // By far the largest part of many objects, and of no use to a controller.
  delete (object.metadata as { managedFields?: unknown }).managedFields;
  return transform(object);
}
