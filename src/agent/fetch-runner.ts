import type { WantedImage } from '../api/nodestore.ts';
import type { Progress } from './fetch.ts';
import type { Fetching } from './memory.ts';
import { imageKey } from './store/paths.ts';

/** Status is written at most this often because of progress. */
const reportMilliseconds = 5_000;

export interface RunnerPorts {
  fetch: (image: WantedImage, signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<unknown>;
  /** Told how a fetch that nobody cancelled ended; `error` is undefined when it succeeded. */
  ended: (image: WantedImage, fingerprint: string, error: unknown) => void;
  /** Told when `current` has changed. */
  changed: () => void;
  now: () => Date;
}

/** Runs one fetch at a time in the background, so that a long one keeps nobody from looking at what is wanted. */
export class FetchRunner {
  readonly #ports: RunnerPorts;
  #running: { state: Fetching; stop: AbortController; done: Promise<void> } | undefined;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** The fetch that is running, with a progress that changes every five seconds at most. */
  get current(): Fetching | undefined {
    return this.#running?.state;
  }

  /** Starts a fetch. Throws when one is running. */
  start(image: WantedImage, fingerprint: string): void {
    if (this.#running) throw new Error(`${this.#running.state.key} is being fetched`);
    const stop = new AbortController();
    const state: Fetching = { key: imageKey(image), fingerprint, downloadedBytes: 0 };
    this.#running = { state, stop, done: this.#run(image, state, stop.signal) };
  }

  /** Ends the fetch that is running, if any; when this resolves nothing of it is left. */
  async cancel(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.done;
  }

  async #run(image: WantedImage, state: Fetching, signal: AbortSignal): Promise<void> {
    const { fetch, ended, changed, now } = this.#ports;
    let reported = now().getTime();
    const onProgress = (progress: Progress) => {
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
    this.#running = undefined;
    // A cancelled fetch that came to its end all the same is found in the store.
    if (!signal.aborted) ended(image, state.fingerprint, failure);
    changed();
  }
}
