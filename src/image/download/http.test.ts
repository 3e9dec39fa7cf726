import { describe, expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { onThisMachine, serve, serveBytes } from '../../../test/fixtures/agent/server.ts';
import { selfSigned } from '../../../test/fixtures/agent/tls.ts';
import type { Credentials } from './credentials.ts';
import { openHttp } from './http.ts';
import type { HttpOptions } from './http.ts';

const content = Buffer.from('an archive');
const quick = () => ({ signal: AbortSignal.timeout(10_000), resumePauseSeconds: 0.001, reach: onThisMachine });
const withCredentials = (credentials: Credentials) => ({ credentials: () => Promise.resolve(credentials) });

async function get(url: string, options: Partial<HttpOptions> = {}): Promise<string> {
  const download = await openHttp(url, { ...quick(), ...options });
  try {
    const parts: Uint8Array[] = [];
    for await (const chunk of download.body) parts.push(chunk);
    return Buffer.concat(parts).toString();
  } finally {
    await download.close();
  }
}

async function failure(url: string, options: Partial<HttpOptions> = {}): Promise<FetchError> {
  const error: unknown = await get(url, options).catch((thrown: unknown) => thrown);
  if (error instanceof FetchError) return error;
  throw new Error(`Expected a FetchError, got ${String(error)}`);
}

test('the content and its length are given as they are served', async () => {
  const origin = await serveBytes(content);
  const download = await openHttp(`${origin}/a.tar`, quick());
  expect(download.totalBytes).toBe(content.length);
  await download.close();
  expect(await get(`${origin}/a.tar`)).toBe('an archive');
});

test.each([
  [404, 'HTTPStatus'],
  [500, 'HTTPStatus'],
  [204, 'HTTPStatus'],
  [401, 'Unauthorized'],
  [403, 'Unauthorized'],
])('status %i is %s', async (status, reason) => {
  const origin = await serve((_request, response) => response.writeHead(status).end());
  expect(await failure(`${origin}/a.tar`)).toMatchObject({ reason });
});

test('the query of a URL, which may hold a signature, is in no message', async () => {
  const origin = await serve((_request, response) => response.writeHead(404).end());
  expect((await failure(`${origin}/a.tar?signature=geheim`)).message).not.toContain('geheim');
});

test('a server that is not there, or a name that does not exist, is unreachable', async () => {
  expect((await failure('http://127.0.0.1:1/a.tar')).reason).toBe('UnreachableSource');
  expect((await failure('http://no-such-host.invalid/a.tar')).reason).toBe('UnreachableSource');
});

test('a server that does not answer is unreachable', async () => {
  const origin = await serve(() => undefined);
  expect((await failure(`${origin}/a.tar`, { headersTimeoutSeconds: 0.2 })).reason).toBe('UnreachableSource');
});

test('a server that stops in the middle and stays silent is unreachable', async () => {
  const origin = await serve((_request, response) => response.writeHead(200, { 'content-length': 100 }).write('some'));
  const { reason, message } = await failure(`${origin}/a.tar`, { idleTimeoutSeconds: 0.2, vainResumes: 1 });
  expect(reason).toBe('UnreachableSource');
  expect(message).toContain('after 4 of 100 bytes');
});

test.each([
  ['with a length', { 'content-length': 100 }, 'after 4 of 100 bytes'],
  ['in chunks', {}, 'after 4 bytes'],
])('content %s that ends too early is truncated', async (_name, headers, said) => {
  const origin = await serve((_request, response) => {
    response.writeHead(200, headers).write('some', () => response.destroy());
  });
  const { reason, message } = await failure(`${origin}/a.tar`);
  expect(reason).toBe('TruncatedArchive');
  expect(message).toContain(said);
});

describe('credentials', () => {
  const echo = () => serve((request, response) => response.end(request.headers.authorization ?? 'none'));

  test('are sent to the origin of the source, also after a redirect within it', async () => {
    const origin = await serve((request, response) => {
      if (request.url === '/a.tar') response.writeHead(302, { location: '/b.tar' }).end();
      else response.end(request.headers.authorization);
    });
    expect(await get(`${origin}/a.tar`, withCredentials({ authorization: 'Bearer t' }))).toBe('Bearer t');
  });

  test('are not sent to another origin', async () => {
    const other = await echo();
    const origin = await serve((_request, response) => response.writeHead(307, { location: `${other}/a.tar` }).end());
    expect(await get(`${origin}/a.tar`, withCredentials({ authorization: 'Bearer t' }))).toBe('none');
  });
});

describe('redirects', () => {
  const redirecting = (times: number) =>
    serve((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop < times) response.writeHead(302, { location: `/${hop + 1}` }).end();
      else response.end('arrived');
    });

  test('are followed five times', async () => expect(await get(`${await redirecting(5)}/0`)).toBe('arrived'));
  test('are not followed six times', async () => {
    expect((await failure(`${await redirecting(6)}/0`)).reason).toBe('TooManyRedirects');
  });
  test('lead to web servers only', async () => {
    const origin = await serve((_request, response) =>
      response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    );
    expect((await failure(`${origin}/a.tar`)).reason).toBe('HTTPStatus');
  });
});

describe('a server with a certificate of its own', () => {
  const tls = selfSigned();

  test('is not trusted by itself', async () => {
    const origin = await serve((_request, response) => response.end(content), tls);
    const { reason, message } = await failure(`${origin}/a.tar`);
    expect(reason).toBe('CertificateUntrusted');
    expect(message).toContain('caRef');
  });

  test('is trusted when the source names its authority', async () => {
    const origin = await serve((_request, response) => response.end(content), tls);
    expect(await get(`${origin}/a.tar`, withCredentials({ ca: tls.cert }))).toBe('an archive');
  });

  test('is not trusted when the authority is no certificate', async () => {
    const origin = await serve((_request, response) => response.end(content), tls);
    expect((await failure(`${origin}/a.tar`, withCredentials({ ca: 'nonsense' }))).reason).toBe('CertificateUntrusted');
  });
});
