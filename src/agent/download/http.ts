import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { FetchError } from '../failure.ts';
import type { Credentials } from './credentials.ts';
import { connectionFailure, statusFailure } from './http-failure.ts';

export interface HttpOptions extends Credentials {
  signal: AbortSignal;
  connectTimeoutSeconds?: number;
  /** Longest wait for the head of the answer. */
  headersTimeoutSeconds?: number;
  /** Longest time without a single byte. */
  idleTimeoutSeconds?: number;
}

export interface Download {
  /** The bytes as they are served. Iterating throws a FetchError when they end too early. */
  body: AsyncIterable<Uint8Array>;
  /** Where the server tells. */
  totalBytes: number | undefined;
  /** Ends the connection; to be called in any case. */
  close(): Promise<void>;
}

const maxRedirects = 5;

/**
 * Asks a web server for a file, following at most five redirects; credentials go only to the origin of the first URL.
 * Throws a FetchError that says what is wrong with the source. The whole content is read once: there is no resuming.
 */
export async function openHttp(url: string, options: HttpOptions): Promise<Download> {
  const agent = new Agent({
    connect: { timeout: milliseconds(options.connectTimeoutSeconds, 15), ...(options.ca && { ca: options.ca }) },
    headersTimeout: milliseconds(options.headersTimeoutSeconds, 30),
    bodyTimeout: milliseconds(options.idleTimeoutSeconds, 60),
    // One request after the other; a redirect within an origin uses the same connection.
    connections: 1,
  });
  const close = () => agent.destroy();
  try {
    const { body, totalBytes, host } = await follow(new URL(url), agent, options);
    return { body: chunks(body, host, totalBytes, options.signal), totalBytes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function follow(first: URL, dispatcher: Agent, { authorization, signal }: HttpOptions) {
  let url = first;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const mayAuthorize = authorization !== undefined && url.origin === first.origin;
    const answer = await request(url.href, {
      dispatcher,
      signal,
      // The digest is of the file as it is, so it must not be compressed on the way.
      headers: {
        'accept-encoding': 'identity',
        'user-agent': 'monoroot-agent',
        ...(mayAuthorize && { authorization }),
      },
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw connectionFailure(error, url.host);
    });
    const { statusCode, headers, body } = answer;
    if (statusCode === 200) return { body, totalBytes: length(headers['content-length']), host: url.host };
    // Read to the end, so that the connection can be used again; a long answer is not worth it.
    await body.dump({ limit: 65536 }).catch(() => undefined);
    const location = String(headers.location ?? '');
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === '') throw statusFailure(statusCode, url);
    url = redirected(url, location);
  }
  const message = `${first.host} redirected more than ${maxRedirects} times; point the source to where the archive is`;
  throw new FetchError('TooManyRedirects', message);
}

function redirected(from: URL, location: string): URL {
  const url = URL.parse(location, from.href);
  if (url && ['http:', 'https:'].includes(url.protocol)) return url;
  throw new FetchError(
    'HTTPStatus',
    `${from.host} redirected to no http(s) URL; point the source to where the archive is`,
  );
}

async function* chunks(
  body: Readable,
  host: string,
  totalBytes: number | undefined,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  let received = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw connectionFailure(error, host, { received, totalBytes });
  }
}

function length(header: string | string[] | undefined): number | undefined {
  const bytes = Number(header);
  return header !== undefined && Number.isSafeInteger(bytes) ? bytes : undefined;
}

const milliseconds = (seconds: number | undefined, otherwise: number) => (seconds ?? otherwise) * 1000;
