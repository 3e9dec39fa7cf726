import type { Logger } from 'pino';
import type { ImageFile } from '../store/image-file.ts';
import { imageName } from '../../api/images.ts';

export interface UsedBytesPorts {
  /** Counts what all images take on the disk, what they share once. */
  usedBytes: (signal: AbortSignal) => Promise<number>;
  /** Told when another number is known. */
  enqueue: () => void;
  logger: Logger;
}

/** What all images take on the disk, counted in the background whenever one has come or gone. */
export class UsedBytes {
  readonly #ports: UsedBytesPorts;
  #images: string | undefined;
  #bytes: number | undefined;
  #counting = new AbortController();

  constructor(ports: UsedBytesPorts) {
    this.#ports = ports;
  }

  /** The last number counted; before the first, what the images were found to take when they were published. */
  of(images: readonly ImageFile[]): number {
    const key = images.map((it) => `${imageName(it)}@${it.publishTime}`).join();
    if (key !== this.#images) {
      this.#images = key;
      void this.#count();
    }
    return this.#bytes ?? images.reduce((sum, { unpackedBytes, sharedBytes }) => sum + unpackedBytes - sharedBytes, 0);
  }

  stop(): void {
    this.#counting.abort();
  }

  async #count(): Promise<void> {
    this.#counting.abort();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    const { usedBytes, enqueue, logger } = this.#ports;
    try {
      const bytes = await usedBytes(signal);
      if (signal.aborted || bytes === this.#bytes) return;
      this.#bytes = bytes;
      enqueue();
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'Failed to count what the store takes');
    }
  }
}
