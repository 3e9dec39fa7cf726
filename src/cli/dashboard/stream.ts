import type { ServerResponse } from 'node:http';
import { createGzip, constants } from 'node:zlib';
import { deltaOf } from './delta.ts';
import type { Model } from './delta.ts';

export interface StreamOptions {
  response: ServerResponse;
  /** The client takes gzip. */
  compress: boolean;
  /** What is to be shown now. */
  model: () => Model;
  /** Calls back at each change, until the returned function is called. */
  subscribe: (changed: () => void) => () => void;
}

/** Changes are sent together, so often at most. */
const pauseMilliseconds = 300;
/** A view that takes long to make is made more seldom: at most this part of the time goes into it. */
const shareOfTime = 0.2;
/** A sign of life, which also brings what changes with time alone. */
const aliveMilliseconds = 5_000;

/**
 * Sends a model and then what changes of it, as server-sent events, until the client goes away or the signal aborts. A client that does
 * not read gets no more until it does, and then all changes at once.
 */
export async function stream(options: StreamOptions, signal: AbortSignal): Promise<void> {
  const { response, compress, model, subscribe } = options;
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // A proxy that collects answers would show nothing.
    'x-accel-buffering': 'no',
    ...(compress && { 'content-encoding': 'gzip' }),
  });
  const body = compress ? createGzip({ level: 1, flush: constants.Z_SYNC_FLUSH }) : undefined;
  body?.pipe(response);
  const out = body ?? response;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const until = AbortSignal.any([signal, gone.signal]);
  const turn = new Turn();
  const forget = subscribe(() => turn.next());
  let sent: Model = {};
  try {
    while (!until.aborted) {
      const began = performance.now();
      const now = model();
      const delta = deltaOf(sent, now);
      sent = now;
      const isRead = out.write(delta === undefined ? ': alive\n\n' : `data: ${JSON.stringify(delta)}\n\n`);
      if (!isRead) await once(out, 'drain', until);
      const pause = Math.max(pauseMilliseconds, (performance.now() - began) / shareOfTime);
      await turn.after(pause, aliveMilliseconds, until);
    }
  } finally {
    forget();
    body?.destroy();
    response.destroy();
  }
}

/** Waits for changes, without losing one that comes meanwhile. */
class Turn {
  #isDue = false;
  #wake: (() => void) | undefined;

  next(): void {
    this.#isDue = true;
    this.#wake?.();
  }

  /** Resolves at a change, but not before `least`, and after `most` in any case; milliseconds. */
  async after(least: number, most: number, signal: AbortSignal): Promise<void> {
    await rest(least, signal);
    if (!this.#isDue && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, most);
        const end = () => {
          clearTimeout(timer);
          resolve();
        };
        this.#wake = end;
        signal.addEventListener('abort', end, { once: true });
      });
      this.#wake = undefined;
    }
    this.#isDue = false;
  }
}

const rest = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });

const once = (out: NodeJS.EventEmitter, name: string, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    out.once(name, resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
