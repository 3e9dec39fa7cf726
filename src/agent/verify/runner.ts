import type { Logger } from 'pino';
import type { Finding } from '../state.ts';
import type { ImageFile } from '../store/image-file.ts';
import { imageName } from '../../api/images.ts';

export interface VerifyPorts {
  /** How the tree of an image differs from what was published; undefined when it does not. Throws when it cannot tell. */
  verify: (image: ImageFile, content: boolean, signal: AbortSignal) => Promise<string | undefined>;
  /** Told what was found by a verification that no one cancelled. */
  verified: (image: ImageFile, content: boolean, finding: Finding | undefined) => void;
  /** Told when `current` has changed. */
  changed: () => void;
  logger: Logger;
}

/** Runs one verification at a time in the background. */
export class VerifyRunner {
  readonly #ports: VerifyPorts;
  #running: { key: string; stop: AbortController; done: Promise<void> } | undefined;

  constructor(ports: VerifyPorts) {
    this.#ports = ports;
  }

  /** Key of the image that is being verified. */
  get current(): string | undefined {
    return this.#running?.key;
  }

  /** Starts a verification. Throws when one is running. */
  start(image: ImageFile, content: boolean): void {
    if (this.#running) throw new Error(`${this.#running.key} is being verified`);
    const stop = new AbortController();
    this.#running = { key: imageName(image), stop, done: this.#run(image, content, stop.signal) };
  }

  /** Ends the verification that is running, if any, or only when it is that of `key`. */
  async cancel(key?: string): Promise<void> {
    const running = this.#running;
    if (!running || (key !== undefined && running.key !== key)) return;
    running.stop.abort();
    await running.done;
  }

  async #run(image: ImageFile, content: boolean, signal: AbortSignal): Promise<void> {
    const { verify, verified, changed, logger } = this.#ports;
    let finding: Finding | undefined;
    try {
      const difference = await verify(image, content, signal);
      if (difference !== undefined) finding = { kind: 'changed', message: difference };
    } catch (error) {
      finding = { kind: 'unverified', message: error instanceof Error ? error.message : String(error) };
    }
    this.#running = undefined;
    if (!signal.aborted) {
      const details = { image: imageName(image), content, ...(finding && { message: finding.message }) };
      if (!finding) logger.debug(details, 'Verified image');
      else if (finding.kind === 'changed') logger.error(details, 'Found image changed in the store');
      else logger.warn(details, 'Failed to verify image');
      verified(image, content, finding);
    }
    changed();
  }
}
