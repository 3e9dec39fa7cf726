import type { DesiredImage } from '../../api/nodestore.ts';
import type { FetchProgress } from './fetch.ts';
import type { Fetching } from '../state.ts';
import { imageName } from '../../api/images.ts';

/** Status is written at most this often because of progress. */
const reportMilliseconds = 5_000;

export interface RunnerPorts {
  fetch: (image: DesiredImage, signal: AbortSignal, onProgress: (progress: FetchProgress) => void) => Promise<unknown>;
  /** Told how a fetch that no one cancelled ended; `error` is undefined when it succeeded. */
  ended: (image: DesiredImage, fingerprint: string, error: unknown) => void;
  /** Told when `current` has changed. */
  changed: () => void;
  now: () => Date;
}

interface Running {
  state: Fetching;
  stop: AbortController;
  done: Promise<void>;
}

/** Runs fetches in the background, so that a long one keeps no one from looking at what is desired. */
export class FetchRunner {
  readonly #ports: RunnerPorts;
  readonly #running = new Map<string, Running>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** The fetches that are running, each with a progress that changes every five seconds at most. */
  get current(): Fetching[] {
    return [...this.#running.values()].map(({ state }) => state);
  }

  /** Starts a fetch. Throws when one of that image is running. */
  start(image: DesiredImage, fingerprint: string): void {
    const key = imageName(image);
    if (this.#running.has(key)) throw new Error(`${key} is being fetched`);
    const stop = new AbortController();
    const state: Fetching = { key, fingerprint, downloadedBytes: 0 };
    this.#running.set(key, { state, stop, done: this.#run(image, state, stop.signal) });
  }

  /** Ends the fetch of an image, if there is one; when this resolves nothing of it is left. The others go on. */
  async cancel(key: string): Promise<void> {
    const running = this.#running.get(key);
    running?.stop.abort();
    await running?.done;
  }

  /** Ends all fetches; when this resolves nothing of them is left. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((key) => this.cancel(key)));
  }

  async #run(image: DesiredImage, state: Fetching, signal: AbortSignal): Promise<void> {
    const { fetch, ended, changed, now } = this.#ports;
    let reported = now().getTime();
    const onProgress = (progress: FetchProgress) => {
      const time = now().getTime();
      if (time - reported < reportMilliseconds) return;
      reported = time;
      Object.assign(state, progress);
      changed();
    };
    let failure: unknown;
    try {
      await fetch(image, signal, onProgress);
    } catch (error) {
      failure = error;
    }
    this.#running.delete(state.key);
    // A cancelled fetch that came to its end all the same is found in the store.
    if (!signal.aborted) ended(image, state.fingerprint, failure);
    changed();
  }
}
