import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { monotonic } from '../runtime/time.ts';
import { createSessions } from './session.ts';
import type { Session } from './session.ts';
import { apiErrorFrom } from './status.ts';

export { loadKubeConfig, namespaceOf, userAgent } from './config.ts';

export type Query = Record<string, string | number | boolean | undefined>;

export interface CallOptions {
  /** The call fails when it is not over by then; 15 by default. */
  timeoutSeconds?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Call extends CallOptions {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Query | undefined;
  body?: string;
  /** Of the body; application/json by default. */
  contentType?: string | undefined;
}

export interface ConnectionOptions {
  config: KubeConfig;
  userAgent: string;
  /** Longest time for a call that names none itself; 15 by default. */
  timeoutSeconds?: number | undefined;
  /** Told of every call: the status code, or '<error>' when no answer came, as client-go's metrics have it. */
  onAnswer?: (method: string, code: string, seconds: number) => void;
}

/** HTTP to one API server over a few reused connections. Refusals are thrown as ApiError. */
export interface Connection {
  /** The body of the answer. */
  request(call: Call): Promise<string>;
  /** The body as it arrives, until the server or the signal ends it; `timeoutSeconds` limits the wait for its beginning. */
  stream(call: Call): Promise<AsyncIterable<Uint8Array>>;
  /** TCP connections: made so far, and open now. */
  readonly connections: { readonly made: number; readonly open: number };
  close(): Promise<void>;
}

export const defaultTimeoutSeconds = 15;

export function createConnection(options: ConnectionOptions): Connection {
  const { timeoutSeconds } = options;
  const sessions = createSessions(options.config);

  /** Sends the call and gives the answer as soon as its head is there. */
  async function send(call: Call, pool: (session: Session) => Dispatcher, signal: AbortSignal) {
    const started = monotonic();
    const answered = (code: string) => options.onAnswer?.(call.method, code, (monotonic() - started) / 1000);
    try {
      const session = await sessions.current();
      const answer = await pool(session).request({
        origin: session.origin,
        path: session.prefix + call.path + queryString(call.query),
        method: call.method,
        headers: {
          ...session.headers,
          'user-agent': options.userAgent,
          // The second is for errors of proxies and for logs, which are no JSON.
          accept: 'application/json, */*',
          ...(call.body !== undefined && { 'content-type': call.contentType ?? 'application/json' }),
        },
        body: call.body ?? null,
        signal,
      });
      answered(String(answer.statusCode));
      if (answer.statusCode < 300) return answer;
      const retryAfter = answer.headers['retry-after'];
      throw apiErrorFrom(answer.statusCode, await answer.body.text(), retryAfter?.toString());
    } catch (error) {
      if (!(error instanceof Error && error.name === 'ApiError')) answered('<error>');
      throw error;
    }
  }

  return {
    connections: sessions.connections,
    async request(call) {
      const limit = startTimeLimit({ ...call, timeoutSeconds: call.timeoutSeconds ?? timeoutSeconds });
      try {
        const answer = await send(call, (session) => session.calls, limit.signal);
        return await answer.body.text();
      } catch (error) {
        throw limit.explain(error);
      } finally {
        limit.end();
      }
    },
    async stream(call) {
      const limit = startTimeLimit({ ...call, timeoutSeconds: call.timeoutSeconds ?? timeoutSeconds });
      try {
        const answer = await send(call, (session) => session.streams, limit.signal);
        limit.endTimer();
        // The caller's signal goes on working while the body is read.
        return withCleanup(answer.body, () => limit.end());
      } catch (error) {
        limit.end();
        throw limit.explain(error);
      }
    },
    close: () => sessions.close(),
  };
}

/** One signal out of a time limit and the caller's signal, which holds no reference to the latter after `end`. */
function startTimeLimit(call: Call) {
  const controller = new AbortController();
  const seconds = call.timeoutSeconds ?? defaultTimeoutSeconds;
  const timer = setTimeout(
    () => controller.abort(new Error(`No answer to ${call.method} ${call.path} within ${seconds} s`)),
    seconds * 1000,
  );
  const forward = () => controller.abort(call.signal?.reason);
  if (call.signal?.aborted) forward();
  call.signal?.addEventListener('abort', forward, { once: true });
  return {
    signal: controller.signal,
    endTimer: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      call.signal?.removeEventListener('abort', forward);
    },
    /** The reason of the abort tells more than what the transport makes of it. */
    explain: (error: unknown): unknown => (controller.signal.aborted ? controller.signal.reason : error),
  };
}

async function* withCleanup<T>(chunks: AsyncIterable<T>, cleanUp: () => void): AsyncIterable<T> {
  try {
    yield* chunks;
  } finally {
    cleanUp();
  }
}

function queryString(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
