import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer, Request } from './links.ts';

/** Beside the program of the agent, or among the sources. */
const isSource = import.meta.filename.endsWith('.ts');
const program = join(import.meta.dirname, isSource ? '../../cmd/links.ts' : 'links.js');
/** It has one request at a time. */
const memory = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 4 };

export type Reply = { answer: Answer } | { error: { message: string; code: string | undefined } };

/** Files, or characters of their names, that go to the thread at once. */
const mostItems = 256;
const mostCharacters = 64 * 1024;

/**
 * A thread for calls of the kernel that may wait for the disk, so that nothing else of the agent does. Aborting ends it in the middle of a
 * request. `close` is to be called in any case.
 */
export class LinkThread {
  readonly #worker = new Worker(program, { execArgv: [], resourceLimits: memory });
  readonly #signal: AbortSignal;
  /** Rejects when the thread ends, or was aborted. */
  readonly #ended: Promise<never>;
  readonly #abort: () => void;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    let stop: (reason: unknown) => void = () => undefined;
    this.#ended = new Promise<never>((_, reject) => (stop = reject));
    this.#ended.catch(() => undefined);
    this.#worker.once('error', stop);
    this.#worker.once('exit', (code) => stop(new Error(`The thread that shares files ended with ${code}`)));
    this.#abort = () => stop(signal.reason);
    signal.addEventListener('abort', this.#abort);
  }

  /** One request at a time. */
  async ask(request: Request): Promise<Answer> {
    this.#signal.throwIfAborted();
    const replied = new Promise<Reply>((resolve) => this.#worker.once('message', resolve));
    this.#worker.postMessage(request);
    const reply = await Promise.race([replied, this.#ended]);
    if ('answer' in reply) return reply.answer;
    throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
  }

  /**
   * Asks for all of some items, a few at a time, and hands each on with its answer. The next ones are made ready meanwhile.
   */
  async askAll<T>(
    items: AsyncIterable<T> | Iterable<T>,
    length: (item: T) => number,
    request: (items: T[]) => Request,
    take: (item: T, answer: string | undefined) => Promise<void> | void,
  ): Promise<void> {
    let asked: Promise<void> = Promise.resolve();
    const ask = async (some: T[]) => {
      const answer = await this.ask(request(some));
      for (const [index, item] of some.entries()) await take(item, answer[index]);
    };
    try {
      for await (const some of grouped(items, length)) {
        await asked;
        asked = ask(some);
        // Looked at in the next turn.
        asked.catch(() => undefined);
      }
    } finally {
      await asked;
    }
  }

  /** Resolves when the thread has ended. */
  async close(): Promise<void> {
    this.#signal.removeEventListener('abort', this.#abort);
    await this.#worker.terminate();
  }
}

async function* grouped<T>(items: AsyncIterable<T> | Iterable<T>, length: (item: T) => number): AsyncGenerator<T[]> {
  let [group, characters]: [T[], number] = [[], 0];
  for await (const item of items) {
    group.push(item);
    characters += length(item);
    if (group.length < mostItems && characters < mostCharacters) continue;
    yield group;
    [group, characters] = [[], 0];
  }
  if (group.length > 0) yield group;
}
