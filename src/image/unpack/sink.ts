import type { Writable } from 'node:stream';

/** Input of a program that may end before it has read all. Why it does is reported by how it ended. */
export class Sink {
  readonly #stream: Writable;
  #isBroken = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', () => (this.#isBroken = true));
    stream.on('close', () => (this.#isBroken = true));
  }

  /** Resolves when more is welcome. */
  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#isBroken) return;
    this.#stream.cork();
    let isWelcome = true;
    for (const piece of pieces) isWelcome = this.#stream.write(piece);
    this.#stream.uncork();
    if (!isWelcome) await drained(this.#stream);
  }

  end(): void {
    if (!this.#isBroken) this.#stream.end();
  }

  /** Ends it without what was not read yet. */
  destroy(): void {
    this.#stream.destroy();
  }
}

/** Resolves when the stream takes more, or will never again. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stream.off('drain', end);
      stream.off('close', end);
      resolve();
    };
    stream.on('drain', end);
    stream.on('close', end);
  });
}
