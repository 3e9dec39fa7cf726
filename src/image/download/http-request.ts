import { Readable } from 'node:stream';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import type { Random } from '../../runtime/time.ts';
import { FetchError } from '../failure.ts';
import { createDispatcher } from './connect.ts';
import type { Proxies } from './connect.ts';
import type { Credentials } from './credentials.ts';
import type { Reach } from './reach.ts';
import { connectionFailure, sourceChanged, statusFailure } from './http-failure.ts';

/** How servers are asked, whatever the file. */
export interface HttpSettings {
  proxies?: Proxies | undefined;
  /** Which servers may be local; none when unset. */
  reach?: Reach | undefined;
  connectTimeoutSeconds?: number;
  /** Longest wait for the head of the answer. */
  headersTimeoutSeconds?: number;
  /** Longest time without a single byte. */
  idleTimeoutSeconds?: number;
  /** How often a download that broke is resumed without that a single byte comes. */
  vainResumes?: number;
  /** Pause before a resume; doubled each time that brings nothing. */
  resumePauseSeconds?: number;
  random?: Random;
  /** Value of the header `accept`; none when unset. */
  accept?: string;
  /** Connections that are used again, of whoever closes them; they have their own proxies and authorities. */
  dispatcher?: Dispatcher;
}

/** What of a file is asked for. */
export interface Part {
  /** First byte. */
  start: number;
  /** ETag or date of the file of which the bytes before it are. */
  validator: string | undefined;
}

/** A file, or the rest of one, on its way. */
export interface Answer {
  body: AsyncIterable<Uint8Array>;
  /** Of the file, where the server tells. */
  totalBytes: number | undefined;
  /** Where in the file the body begins: not after the part that was asked for. */
  start: number;
  /** Strong ETag, else date, of the file; undefined when it has neither. */
  validator: string | undefined;
  /** Of the server that answered. */
  host: string;
  close: () => Promise<void>;
}

const maxRedirects = 5;

/**
 * Asks a web server for a file or, as far as it can do that, a part of it, following at most five redirects; credentials go
 * only to the origin of the first URL. Throws a FetchError that says what is wrong with the source.
 */
export async function requestFile(
  url: string,
  credentials: Credentials,
  { signal, ...settings }: HttpSettings & { signal: AbortSignal },
  part: Part = { start: 0, validator: undefined },
): Promise<Answer> {
  const dispatcher = settings.dispatcher ?? createDispatcher(new URL(url), { ...settings, ca: credentials.ca });
  const close = async (body?: Readable) => {
    if (settings.dispatcher) body?.on('error', () => undefined).destroy();
    else await dispatcher.destroy();
  };
  const { connectTimeoutSeconds = 15, headersTimeoutSeconds = 30, idleTimeoutSeconds = 30 } = settings;
  const ask = async (to: URL, headers: Record<string, string>) => {
    // Provisional answers count for the library as a sign of life.
    const late = new AbortController();
    const headSeconds = connectTimeoutSeconds + headersTimeoutSeconds;
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${headSeconds} s`)), headSeconds * 1000);
    return request(to.href, {
      dispatcher,
      signal: AbortSignal.any([signal, late.signal]),
      headersTimeout: headersTimeoutSeconds * 1000,
      bodyTimeout: idleTimeoutSeconds * 1000,
      headers,
    })
      .catch((error: unknown) => {
        signal.throwIfAborted();
        throw connectionFailure(error, to.host, { proxied: settings.proxies !== undefined });
      })
      .finally(() => clearTimeout(timer));
  };
  try {
    const headers = { ...headersOf(part), ...(settings.accept !== undefined && { accept: settings.accept }) };
    const { authorization } = credentials;
    const first = new URL(url);
    const { response, from } = await follow(
      first,
      (to) =>
        ask(to, authorization !== undefined && to.origin === first.origin ? { ...headers, authorization } : headers),
      Math.min(idleTimeoutSeconds, 5),
    );
    try {
      return { ...read(response, part, from), host: from.host, close: () => close(response.body) };
    } catch (error) {
      await close(response.body);
      throw error;
    }
  } catch (error) {
    await close();
    throw error;
  }
}

function headersOf({ start, validator }: Part): Record<string, string> {
  return {
    // The digest is of the file as it is, so it must not be compressed on the way.
    'accept-encoding': 'identity',
    'user-agent': 'monoroot-agent',
    ...(start > 0 && { range: `bytes=${start}-` }),
    ...(start > 0 && validator !== undefined && { 'if-range': validator }),
  };
}

type Response = Dispatcher.ResponseData;

async function follow(
  first: URL,
  ask: (url: URL) => Promise<Response>,
  dumpSeconds: number,
): Promise<{ response: Response; from: URL }> {
  let from = first;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await ask(from);
    const { statusCode, headers, body } = response;
    const location = String(headers.location ?? '');
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === '') return { response, from };
    // Read to the end, so that the connection can be used again; a long answer, or a slow one, is not worth it.
    await body.dump({ limit: 65536, signal: AbortSignal.timeout(dumpSeconds * 1000) }).catch(() => undefined);
    from = redirected(from, location);
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

/** What an answer brings of the part that was asked for. A server may ignore that it was a part, and answer with 200. */
function read({ statusCode, headers, body }: Response, part: Part, from: URL): Omit<Answer, 'host' | 'close'> {
  const validator = validatorOf(headers);
  if (statusCode === 200) return { body, totalBytes: lengthOf(headers['content-length']), start: 0, validator };
  if (part.start === 0) throw statusFailure(statusCode, from);
  const [, first, total] = /^bytes (?:([0-9]+)-[0-9]+|\*)\/([0-9]+|\*)$/.exec(String(headers['content-range'])) ?? [];
  const [start, totalBytes] = [lengthOf(first), lengthOf(total)];
  if (statusCode === 206 && start !== undefined && start <= part.start) return { body, totalBytes, start, validator };
  if (statusCode !== 416 || totalBytes === undefined) throw statusFailure(statusCode, from);
  if (totalBytes !== part.start) throw sourceChanged(from.host, part.start);
  // All that there is had come already; only that this was the end had not been reported.
  return { body: Readable.from([]), totalBytes, start: totalBytes, validator };
}

/** A weak ETag promises less than the same bytes. */
function validatorOf({ etag, 'last-modified': date }: Response['headers']): string | undefined {
  if (typeof etag === 'string' && etag.startsWith('"')) return etag;
  return typeof date === 'string' ? date : undefined;
}

function lengthOf(header: string | string[] | undefined): number | undefined {
  const bytes = Number(header);
  return header !== undefined && Number.isSafeInteger(bytes) ? bytes : undefined;
}
