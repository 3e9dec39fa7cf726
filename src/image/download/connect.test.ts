import { describe, expect, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { startProxy } from '../../../test/fixtures/agent/proxy.ts';
import { onThisMachine, serve, serveBytes } from '../../../test/fixtures/agent/server.ts';
import { selfSigned } from '../../../test/fixtures/agent/tls.ts';
import { proxiesOf } from './connect.ts';
import { openHttp } from './http.ts';
import type { HttpOptions } from './http.ts';

const content = Buffer.from('an archive');
const none = { httpProxy: '', httpsProxy: '', noProxy: '' };

async function get(url: string, options: Partial<HttpOptions>): Promise<string> {
  const download = await openHttp(url, {
    signal: AbortSignal.timeout(10_000),
    resumePauseSeconds: 0.001,
    reach: onThisMachine,
    ...options,
  });
  try {
    const parts: Uint8Array[] = [];
    for await (const chunk of download.body) parts.push(chunk);
    return Buffer.concat(parts).toString();
  } finally {
    await download.close();
  }
}

async function failure(url: string, options: Partial<HttpOptions>): Promise<FetchError> {
  const error: unknown = await get(url, options).catch((thrown: unknown) => thrown);
  if (error instanceof FetchError) return error;
  throw new Error(`Expected a FetchError, got ${String(error)}`);
}

describe('the environment', () => {
  test('names proxies in capitals or, as curl wants it, in small letters', () => {
    expect(proxiesOf({ HTTP_PROXY: 'http://p:1', HTTPS_PROXY: 'http://p:2', NO_PROXY: '.svc' })).toEqual({
      httpProxy: 'http://p:1',
      httpsProxy: 'http://p:2',
      noProxy: '.svc',
    });
    expect(proxiesOf({ https_proxy: 'http://p:2', HTTPS_PROXY: 'http://p:3' })?.httpsProxy).toBe('http://p:2');
  });

  test('without a proxy has none, whatever is excepted', () => {
    expect(proxiesOf({ NO_PROXY: '*', HTTP_PROXY: '' })).toBeUndefined();
  });

  test.each(['proxy:3128', 'socks5://proxy', 'p', 'http://'])('with %s says what is wrong, and no password', (url) => {
    expect(() => proxiesOf({ HTTPS_PROXY: url })).toThrow('such as http://proxy.example.com:3128');
  });
});

describe('a proxy', () => {
  const tls = selfSigned();

  test('forwards http', async () => {
    const proxy = await startProxy();
    const origin = await serveBytes(content);
    expect(await get(`${origin}/a.tar`, { proxies: { ...none, httpProxy: proxy.url } })).toBe('an archive');
    expect(proxy.asked).toEqual([`GET ${origin}/a.tar`]);
  });

  test.each(['127.0.0.1', 'localhost'])('tunnels https to %s, whose own certificate is checked', async (host) => {
    const proxy = await startProxy();
    const origin = await serve((_request, response) => response.end(content), tls);
    const { port } = new URL(origin);
    const url = `https://${host}:${port}/a.tar`;
    const proxies = { ...none, httpsProxy: proxy.url };
    expect((await failure(url, { proxies })).reason).toBe('CertificateUntrusted');
    const credentials = () => Promise.resolve({ ca: tls.cert });
    expect(await get(url, { proxies, credentials })).toBe('an archive');
    expect(proxy.asked).toEqual([`CONNECT ${host}:${port}`, `CONNECT ${host}:${port}`]);
  });

  test('is for https too when there is one for http only', async () => {
    const proxy = await startProxy();
    const origin = await serve((_request, response) => response.end(content), tls);
    const credentials = () => Promise.resolve({ ca: tls.cert });
    expect(await get(origin, { proxies: { ...none, httpProxy: proxy.url }, credentials })).toBe('an archive');
    expect(proxy.asked).toEqual([`CONNECT ${new URL(origin).host}`]);
  });

  test('gets the user name and the password of its URL', async () => {
    const proxy = await startProxy({ login: 'user:geheim' });
    const plain = await serveBytes(content);
    const secure = await serve((_request, response) => response.end(content), tls);
    const credentials = () => Promise.resolve({ ca: tls.cert });
    const proxies = { ...none, httpProxy: proxy.url };
    expect(await get(plain, { proxies })).toBe('an archive');
    expect(await get(secure, { proxies, credentials })).toBe('an archive');
  });

  test.each([
    [
      'that wants to know who asks',
      async () => (await startProxy({ login: 'user:geheim' })).url.replace('geheim', 'x'),
    ],
    ['that is not there', () => Promise.resolve('http://user:geheim@127.0.0.1:1')],
  ])('%s makes the source unreachable; no password is reported', async (_name, url) => {
    const proxies = { ...none, httpProxy: await url() };
    const plain = await failure(await serveBytes(content), { proxies });
    const secure = await failure(await serve((_request, response) => response.end(content), tls), { proxies });
    expect([plain.reason, secure.reason]).toEqual(['UnreachableSource', 'UnreachableSource']);
    for (const { message } of [plain, secure]) {
      expect(message).toContain('proxies of the agent');
      expect(message).not.toContain('geheim');
    }
  });

  test.each(['127.0.0.1', '*', 'a.example,127.0.0.1', '127.0.0.1:PORT'])('is not asked for %s', async (noProxy) => {
    const proxy = await startProxy();
    const origin = await serveBytes(content);
    const exception = noProxy.replace('PORT', new URL(origin).port);
    const proxies = { httpProxy: proxy.url, httpsProxy: '', noProxy: exception };
    expect(await get(origin, { proxies })).toBe('an archive');
    expect(proxy.asked).toEqual([]);
  });

  test('that drops a tunnel is asked for another one, and the download goes on', async () => {
    const proxy = await startProxy();
    const big = Buffer.alloc(3_000_000, 'x');
    const ranges: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
      const { range } = request.headers;
      ranges.push(range);
      const start = Number(/\d+/.exec(range ?? '0')?.[0]);
      const headers = { 'content-length': big.length - start };
      if (range === undefined) {
        // As far as this: only a tunnel that ends can end this answer.
        response.writeHead(200, headers).write(big.subarray(0, 1_000_000));
      } else {
        const contentRange = `bytes ${start}-${big.length - 1}/${big.length}`;
        response.writeHead(206, { ...headers, 'content-range': contentRange }).end(big.subarray(start));
      }
    }, tls);
    let received = 0;
    const throttle = (bytes: number) => {
      received += bytes;
      if (received === 1_000_000) proxy.cut();
      return Promise.resolve();
    };
    const credentials = () => Promise.resolve({ ca: tls.cert });
    const proxies = { ...none, httpsProxy: proxy.url };
    expect((await get(origin, { proxies, credentials, throttle })).length).toBe(big.length);
    expect(ranges).toEqual([undefined, 'bytes=1000000-']);
    expect(proxy.asked).toHaveLength(2);
  });
});
