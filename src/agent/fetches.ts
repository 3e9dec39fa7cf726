import type { Logger } from 'pino';
import type { DesiredImage } from '../api/nodestore.ts';
import { imageName } from '../api/images.ts';
import { FetchError, toFetchError } from '../image/failure.ts';
import type { FailureReason } from '../image/failure.ts';
import { exhausted } from './fetch/backoff.ts';
import { FetchRunner } from './fetch/runner.ts';
import type { RunnerPorts } from './fetch/runner.ts';
import type { AgentMemory } from './memory.ts';
import type { Fetching } from './state.ts';
import { begin, end } from './store/begun.ts';
import type { StorePaths } from './store/paths.ts';

export interface FetchesPorts {
  paths: StorePaths;
  fetch: RunnerPorts['fetch'];
  now: () => Date;
  /** Asks for another run of `reconcile`. */
  enqueue: () => void;
  logger: Logger;
  hooks?: { fetched(seconds: number, failure: FailureReason | undefined): void };
}

/** The fetches of a node: runs them, logs them, remembers how they ended, and counts on the disk those that an agent dies of. */
export class Fetches {
  readonly #ports: FetchesPorts;
  readonly #memory: AgentMemory;
  readonly #runner: FetchRunner;
  /** The lines of a fetch keep the ids of the run that has started it. */
  readonly #loggers = new Map<string, Logger>();

  constructor(ports: FetchesPorts, memory: AgentMemory) {
    this.#ports = ports;
    this.#memory = memory;
    this.#runner = new FetchRunner({
      fetch: (...args) => this.#fetch(...args),
      ended: (...args) => this.#ended(...args),
      changed: ports.enqueue,
      now: ports.now,
    });
  }

  get current(): Fetching[] {
    return this.#runner.current;
  }

  async start(image: DesiredImage, fingerprint: string, logger: Logger): Promise<void> {
    try {
      await begin(this.#ports.paths, 'fetch', imageName(image), this.#memory.deathsOf(image, fingerprint));
    } catch (error) {
      // A full disk, which the fetch itself tells of.
      logger.warn({ image: imageName(image), err: error }, 'Failed to count a fetch before it begins');
    }
    this.#loggers.set(imageName(image), logger);
    this.#runner.start(image, fingerprint);
  }

  async cancel(key: string): Promise<void> {
    await this.#runner.cancel(key);
    this.#loggers.delete(key);
  }

  stop(): Promise<void> {
    return this.#runner.stop();
  }

  async #fetch(...args: Parameters<RunnerPorts['fetch']>): Promise<void> {
    const [image, signal] = args;
    const { paths, fetch, hooks } = this.#ports;
    const key = imageName(image);
    const log = this.#loggers.get(key) ?? this.#ports.logger;
    const started = performance.now();
    const seconds = () => Math.round(performance.now() - started) / 1000;
    log.info({ image: key, digest: image.digest }, 'Started fetching image');
    try {
      await fetch(...args).finally(() => {
        this.#memory.survived(key);
        return end(paths, 'fetch', key);
      });
      log.info({ image: key, seconds: seconds() }, 'Stored image');
      hooks?.fetched(seconds(), undefined);
    } catch (error) {
      if (!signal.aborted) hooks?.fetched(seconds(), toFetchError(error).reason);
      throw error;
    }
  }

  #ended(image: DesiredImage, fingerprint: string, error: unknown): void {
    const key = imageName(image);
    const log = this.#loggers.get(key) ?? this.#ports.logger;
    this.#loggers.delete(key);
    const now = this.#ports.now().getTime();
    const failure = this.#memory.fetched(image, fingerprint, error, now);
    if (!failure) return;
    const { reason, attempts, message, retryTime } = failure;
    const details = { image: key, reason, attempts, retryAfterSeconds: Math.round((retryTime - now) / 1000) };
    // The cause of a foreseen failure is reported by its message; of another one every detail may be needed.
    const cause = error instanceof FetchError ? {} : { err: error };
    log[exhausted(attempts, image.backoffLimit) ? 'error' : 'warn'](
      { ...details, ...cause, message },
      'Failed to fetch image',
    );
  }
}
