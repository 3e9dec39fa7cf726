import { describe, expect, onTestFinished, test } from 'vitest';
import { FetchError } from '../failure.ts';
import { startProxy } from '../../../test/fixtures/agent/proxy.ts';
import { onThisMachine, serve, serveBytes } from '../../../test/fixtures/agent/server.ts';
import { openHttp } from './http.ts';
import type { HttpOptions } from './http.ts';
import { guardOf, ownAddresses, parseGateways, readLocalSources } from './reach.ts';
import type { Reach } from './reach.ts';

const far = 'http://203.0.113.7';

/** What a guard says about a server, and about the address that its name leads to. */
function verdict(named: string, reach: Reach, server: string, address = ''): 'asked' | 'refused' {
  try {
    return guardOf(new URL(named), reach)(new URL(server))(address) ? 'refused' : 'asked';
  } catch {
    return 'refused';
  }
}

describe('a server that a source names', () => {
  test.each([
    ['http://127.0.0.1:5000/'],
    ['http://localhost/'],
    ['http://LOCALHOST./'],
    ['http://a.localhost/'],
    ['http://[::1]/'],
    ['http://[::ffff:7f00:1]/'],
    ['http://169.254.169.254/latest/meta-data/'],
    ['http://[fd00:ec2::254]/'],
    ['http://2130706433/'],
    ['https://0x7f.1/'],
  ])('%s is not asked unless it is listed', (url) => {
    expect(verdict(url, { localSources: [] }, url)).toBe('refused');
    expect(verdict(url, { localSources: [new URL(url).hostname] }, url)).toBe('asked');
    expect(verdict(url, { localSources: ['127.0.0.1:1', 'example.com'] }, url)).toBe('refused');
    expect(verdict(url, { localSources: [], namedMayBeLocal: true }, url)).toBe('asked');
  });

  test('is listed with its port, also when that is the usual one', () => {
    const reach = { localSources: ['127.0.0.1:443'] };
    expect(verdict('https://127.0.0.1/a', reach, 'https://127.0.0.1/a')).toBe('asked');
    expect(verdict('http://127.0.0.1/a', reach, 'http://127.0.0.1/a')).toBe('refused');
  });

  test('must not have a name that leads to such an address, but may be on the node itself', () => {
    const reach = { localSources: [], ownAddresses: () => ['10.1.2.3'] };
    expect(verdict('http://a.example/', reach, 'http://a.example/', '127.0.0.1')).toBe('refused');
    expect(verdict('http://a.example/', reach, 'http://a.example/', '10.1.2.3')).toBe('asked');
  });
});

describe('a server that another one leads to', () => {
  const own = { ownAddresses: () => ['10.1.2.3', 'fd12::3'] };

  test.each(['http://127.0.0.1:5000/', 'http://10.1.2.3:10250/', 'http://[fd12::3]/', 'http://[::ffff:10.1.2.3]/'])(
    '%s is not asked, whoever else may be local',
    (url) => {
      expect(verdict(far, { localSources: [], ...own }, url)).toBe('refused');
      expect(verdict(far, { localSources: [], namedMayBeLocal: true, ...own }, url)).toBe('refused');
      expect(verdict(far, { localSources: [new URL(url).hostname], ...own }, url)).toBe('refused');
    },
  );

  test('may be local when both are listed', () => {
    const reach = { localSources: ['127.0.0.1:5000', '127.0.0.1:5001'] };
    expect(verdict('http://127.0.0.1:5000', reach, 'http://127.0.0.1:5001')).toBe('asked');
    expect(verdict('http://127.0.0.1:5000', reach, 'http://127.0.0.1:5002')).toBe('refused');
  });

  test('may be anywhere else', () => {
    expect(verdict(far, { localSources: [], ...own }, 'http://10.9.9.9/', '10.9.9.9')).toBe('asked');
  });
});

const target = Buffer.from('what only this machine can ask for');

async function failure(url: string, options: Partial<HttpOptions>): Promise<FetchError> {
  const error: unknown = await openHttp(url, { signal: AbortSignal.timeout(10_000), ...options }).then(
    (download) => download.close(),
    (thrown: unknown) => thrown,
  );
  if (error instanceof FetchError) return error;
  throw new Error(`Expected a FetchError, got ${String(error)}`);
}

test('a source at a loopback address fails with what to do, and is not asked', async () => {
  let asked = 0;
  const origin = await serve((_request, response) => response.end(String(++asked)));
  const { reason, message } = await failure(origin, {});
  expect([reason, asked]).toEqual(['LocalAddress', 0]);
  expect(message).toContain(`${new URL(origin).host} is an address that only this machine`);
  expect(message).toContain('LOCAL_SOURCES of the agent');
});

test.each(['127.0.0.1', 'localhost', '127.1', '[::ffff:127.0.0.1]'])(
  'a redirect to %s is not followed',
  async (host) => {
    let asked = 0;
    const inner = await serve((_request, response) => response.end(String(++asked)));
    const { port } = new URL(inner);
    const outer = await serve((_request, response) =>
      response.writeHead(302, { location: `http://${host}:${port}/a.tar` }).end(),
    );
    const reach = { localSources: [], namedMayBeLocal: true };
    const { reason } = await failure(outer, { reach });
    expect([reason, asked]).toEqual(['LocalAddress', 0]);
  },
);

test('a redirect within a server that may be local is followed', async () => {
  const outer = await serve((request, response) =>
    request.url === '/a' ? response.writeHead(302, { location: '/b' }).end() : response.end(target),
  );
  const reach = { localSources: [], namedMayBeLocal: true };
  const download = await openHttp(`${outer}/a`, { signal: AbortSignal.timeout(10_000), reach });
  onTestFinished(() => download.close());
  expect(download.totalBytes).toBe(target.length);
});

test('a proxy is not asked for a local address', async () => {
  const proxy = await startProxy();
  const proxies = { httpProxy: proxy.url, httpsProxy: '', noProxy: '' };
  const inner = await serveBytes(target);
  expect((await failure(inner, { proxies })).reason).toBe('LocalAddress');
  expect((await failure(inner.replace('http:', 'https:'), { proxies })).reason).toBe('LocalAddress');
  expect(proxy.asked).toEqual([]);
  await openHttp(inner, { signal: AbortSignal.timeout(10_000), proxies, reach: onThisMachine }).then((it) =>
    it.close(),
  );
  expect(proxy.asked).toHaveLength(1);
});

describe('LOCAL_SOURCES', () => {
  test('has servers with commas between', () => {
    expect(readLocalSources(' 127.0.0.1:5000, registry.local,[::1]:80 ,')).toEqual([
      '127.0.0.1:5000',
      'registry.local',
      '[::1]:80',
    ]);
    expect(readLocalSources('')).toEqual([]);
  });

  test.each(['http://127.0.0.1', 'a/b', '127.0.0.1:x', 'u@h', '::1', '*', 'a b'])(
    "with '%s' says what is wrong",
    (text) => {
      expect(() => readLocalSources(text)).toThrow('it must be a host or host:port, such as 127.0.0.1:5000');
    },
  );
});

test('the gateways of a Pod are read from its routes', () => {
  const text = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask
eth0\t00000000\t0100F40A\t0003\t0\t0\t0\t00000000
eth0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF
`;
  expect(parseGateways(text)).toEqual(['10.244.0.1']);
});

test('the machine has the addresses of its interfaces and those that the node is known by', () => {
  expect(ownAddresses(['192.0.2.9'])).toEqual(expect.arrayContaining(['127.0.0.1', '192.0.2.9']));
});
