import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { onThisMachine, serve } from '../../../test/fixtures/agent/server.ts';
import { openHttp } from './http.ts';
import type { HttpOptions } from './http.ts';

const content = Buffer.from('the bytes of an archive, one after the other');
const broken = Symbol('broken');

interface Asked {
  url: string | undefined;
  range: string | undefined;
  ifRange: string | string[] | undefined;
  authorization: string | undefined;
}
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers each request with the next of these, and all others with the last. */
async function script(...handlers: Handler[]): Promise<{ origin: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const origin = await serve((request, response) => {
    const { range, 'if-range': ifRange, authorization } = request.headers;
    const handler = handlers[Math.min(asked.length, handlers.length - 1)];
    asked.push({ url: request.url, range, ifRange, authorization });
    handler?.(request, response);
  });
  return { origin, asked };
}

const end = (response: ServerResponse, bytes: Buffer, cut?: number) =>
  cut === undefined ? response.end(bytes) : response.write(bytes.subarray(0, cut), () => response.destroy());

/** All of the file, however much is asked for; cut off after so many bytes. */
const whole =
  (cut?: number, headers: Record<string, string> = {}, of = content): Handler =>
  (_request, response) =>
    end(response.writeHead(200, { 'content-length': of.length, ...headers }), of, cut);

/** What is asked for; cut off after so many bytes. */
const part =
  (cut?: number, headers: Record<string, string> = {}, of = content): Handler =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]);
    const range = `bytes ${start}-${of.length - 1}/${of.length}`;
    const head = { 'content-length': of.length - start, 'content-range': range, ...headers };
    end(response.writeHead(206, head), of.subarray(start), cut);
  };

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    response.writeHead(code, headers).end();

async function get(url: string, options: Partial<HttpOptions> = {}): Promise<string> {
  const signal = AbortSignal.timeout(10_000);
  const download = await openHttp(url, { signal, resumePauseSeconds: 0.001, reach: onThisMachine, ...options });
  try {
    const parts: Uint8Array[] = [];
    for await (const chunk of download.body) parts.push(chunk);
    return Buffer.concat(parts).toString();
  } finally {
    await download.close();
  }
}

const reason = (url: string, options: Partial<HttpOptions> = {}): Promise<unknown> =>
  get(url, options).catch((error: unknown) => (error instanceof FetchError ? error.reason : broken));

test('a download that breaks goes on where it stopped, as often as it has to', async () => {
  const headers = { etag: '"v1"', 'last-modified': 'Mon, 01 Jan 2026 00:00:00 GMT' };
  const { origin, asked } = await script(whole(3, headers), ...Array.from({ length: 20 }, () => part(2)), part());
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
  expect(asked).toHaveLength(22);
  expect(asked[0]).toMatchObject({ range: undefined, ifRange: undefined });
  expect(asked[1]).toMatchObject({ range: 'bytes=3-', ifRange: '"v1"' });
  expect(asked[2]).toMatchObject({ range: 'bytes=5-', ifRange: '"v1"' });
});

test.each([
  ['its date, when it has no ETag', { 'last-modified': 'Mon, 01 Jan 2026 00:00:00 GMT' }, /^Mon, 01 Jan 2026/],
  ['its date, when its ETag is weak', { etag: 'W/"v1"', 'last-modified': 'Mon, 01 Jan 2026 00:00:00 GMT' }, /^Mon/],
])('the rest is asked of the same file by %s', async (_name, headers, expected) => {
  const { origin, asked } = await script(whole(3, headers), part());
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
  expect(asked[1]?.ifRange).toMatch(expected);
});

test('a file without ETag and date is resumed all the same: the digest decides', async () => {
  const { origin, asked } = await script(whole(3), part());
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
  expect(asked[1]).toMatchObject({ range: 'bytes=3-', ifRange: undefined });
});

test('of what a server sends again, what is had already is skipped', async () => {
  const { origin } = await script(whole(10, { etag: '"v1"' }), whole(7), whole(20), whole());
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
});

test('a part that begins earlier than asked for is cut to fit', async () => {
  const early: Handler = (request, response) => {
    request.headers.range = 'bytes=5-';
    part()(request, response);
  };
  const { origin } = await script(whole(10), early);
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
});

test('content of unknown length that breaks at its very end is whole', async () => {
  const chunked: Handler = (_request, response) => response.write(content, () => response.destroy());
  const { origin, asked } = await script(chunked, status(416, { 'content-range': `bytes */${content.length}` }));
  expect(await get(`${origin}/a.tar`)).toBe(content.toString());
  expect(asked[1]?.range).toBe(`bytes=${content.length}-`);
});

test('a server that is overloaded, restarts or falls silent meanwhile is waited for', async () => {
  const gone: Handler = (_request, response) => response.destroy();
  const silent: Handler = (_request, response) =>
    response.writeHead(206, { 'content-range': 'bytes 3-43/44' }).flushHeaders();
  const { origin, asked } = await script(whole(3), status(503), status(429), gone, silent, status(500), part());
  expect(await get(`${origin}/a.tar`, { idleTimeoutSeconds: 0.2, vainResumes: 6 })).toBe(content.toString());
  expect(asked).toHaveLength(7);
});

test('pauses between resumes grow, each shortened at random', async () => {
  const { origin } = await script(whole(3), status(503), status(503), status(503), part());
  let pauses = 0;
  const random = () => pauses++ && 0;
  const started = performance.now();
  expect(await get(`${origin}/a.tar`, { resumePauseSeconds: 0.05, random })).toBe(content.toString());
  expect(pauses).toBe(4);
  // 50, 100, 200 and 400 ms; a timer may be a little early.
  expect(performance.now() - started).toBeGreaterThan(740);
});

test.each<[string, Handler[], string]>([
  ['breaks again and again without a byte more', [whole(3)], 'TruncatedArchive'],
  ['does not answer any more', [whole(3), (_request, response) => response.destroy()], 'UnreachableSource'],
  ['answers nothing but 503', [whole(3), status(503)], 'HTTPStatus'],
])('a server that %s is given up', async (_name, handlers, expected) => {
  const { origin, asked } = await script(...handlers);
  expect(await reason(`${origin}/a.tar`, { vainResumes: 3 })).toBe(expected);
  expect(asked).toHaveLength(4);
});

test.each<[string, Handler, string]>([
  ['does not have the file any more', status(404), 'HTTPStatus'],
  ['has another ETag', whole(undefined, { etag: '"v2"' }), 'SourceChanged'],
  ['sends a part of another ETag', part(undefined, { etag: '"v2"' }), 'SourceChanged'],
  ['has a longer file', whole(undefined, {}, Buffer.concat([content, content])), 'SourceChanged'],
  ['sends a part of a shorter file', part(undefined, {}, content.subarray(0, 20)), 'SourceChanged'],
  ['has a file that ends before', status(416, { 'content-range': 'bytes */5' }), 'SourceChanged'],
  ['has a file of unknown length that ends before', (_request, response) => response.end('the'), 'SourceChanged'],
  ['sends a part that begins later', status(206, { 'content-range': 'bytes 11-43/44' }), 'HTTPStatus'],
  ['sends a part but not which', status(206), 'HTTPStatus'],
])('a server that %s is not asked again', async (_name, handler, expected) => {
  const { origin, asked } = await script(whole(10, { etag: '"v1"' }), handler);
  expect(await reason(`${origin}/a.tar`)).toBe(expected);
  expect(asked).toHaveLength(2);
});

test('an answer with a part of what was asked for as a whole is refused', async () => {
  const { origin } = await script(status(206, { 'content-range': 'bytes 0-3/44' }));
  expect(await reason(`${origin}/a.tar`)).toBe('HTTPStatus');
});

test('being stopped ends a pause at once', async () => {
  const { origin } = await script(whole(3), status(503));
  const stop = new AbortController();
  const random = () => (setImmediate(() => stop.abort(new Error('stopped'))), 0);
  const options = { signal: stop.signal, resumePauseSeconds: 60, random };
  await expect(get(`${origin}/a.tar`, options)).rejects.toThrow('stopped');
});

/** Credentials that are other ones whenever they are read. */
function rotating() {
  let reads = 0;
  return { credentials: () => Promise.resolve({ authorization: `Bearer ${++reads}` }) };
}

test('credentials are read again when a resume is refused with them', async () => {
  const { origin, asked } = await script(whole(3), part(2), status(401), part(2), status(403), part());
  expect(await get(`${origin}/a.tar`, rotating())).toBe(content.toString());
  expect(asked.map(({ authorization }) => authorization?.replace('Bearer ', ''))).toEqual([
    '1',
    '1',
    '1',
    '2',
    '2',
    '3',
  ]);
});

test('credentials that are refused after that, too, are wrong', async () => {
  const { origin, asked } = await script(whole(3), status(401));
  expect(await reason(`${origin}/a.tar`, rotating())).toBe('Unauthorized');
  expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer 1', 'Bearer 1', 'Bearer 2']);
});

test('a resume follows the redirects again, and still gives credentials to the first origin only', async () => {
  const signed = await script(whole(3), part(4), part());
  const { origin, asked } = await script(
    status(302, { location: `${signed.origin}/?signature=1` }),
    status(302, { location: `${signed.origin}/?signature=2` }),
    status(302, { location: `${signed.origin}/?signature=3` }),
  );
  expect(await get(`${origin}/a.tar`, rotating())).toBe(content.toString());
  expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer 1', 'Bearer 1', 'Bearer 1']);
  expect(signed.asked).toEqual([
    { url: '/?signature=1', range: undefined, ifRange: undefined, authorization: undefined },
    { url: '/?signature=2', range: 'bytes=3-', ifRange: undefined, authorization: undefined },
    { url: '/?signature=3', range: 'bytes=7-', ifRange: undefined, authorization: undefined },
  ]);
});
