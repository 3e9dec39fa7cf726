import type { ServerResponse } from 'node:http';
import { createGzip, constants } from 'node:zlib';
import { nothing } from './feed.ts';
import type { Feed } from './feed.ts';
import { Turn } from './turn.ts';

export interface StreamOptions {
  response: ServerResponse;
  /** The client takes gzip. */
  compress: boolean;
  feed: Feed;
  /** A client that takes nothing for so long is taken for gone. */
  stalledMilliseconds?: number;
}

/** A sign of life, for who waits for one. */
const aliveMilliseconds = 5_000;
const alive = ': alive\n\n';

/**
 * Sends a model and then what changes of it, as server-sent events, until the client goes away or takes nothing, or the signal aborts. A client
 * that is slow gets no more until it has read, and then all changes at once.
 */
export async function stream(options: StreamOptions, signal: AbortSignal): Promise<void> {
  const { response, compress, feed, stalledMilliseconds = 30_000 } = options;
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
  const forget = feed.subscribe(() => turn.next());
  let sent = nothing;
  try {
    while (!until.aborted) {
      const event = feed.event(sent);
      sent = feed.model();
      if (!out.write(event ?? alive) && !(await isDrained(out, stalledMilliseconds, until))) return;
      await turn.after(0, aliveMilliseconds, until);
    }
  } finally {
    forget();
    body?.destroy();
    response.destroy();
  }
}

/** Whether what was written has been taken within the time. */
async function isDrained(out: NodeJS.EventEmitter, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  const turn = new Turn();
  let drained = false;
  out.once('drain', () => {
    drained = true;
    turn.next();
  });
  await turn.after(0, milliseconds, signal);
  return drained;
}
