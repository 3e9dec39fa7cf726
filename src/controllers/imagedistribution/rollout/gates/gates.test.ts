import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { selfSigned } from '../../../../../test/fixtures/agent/tls.ts';
import type { Gate } from '../../../../api/rollout.ts';
import { askGate } from './gates.ts';
import type { GateQuestion } from './gates.ts';

interface Tls {
  cert: string;
  key: string;
}

async function serve(listener: RequestListener, tls?: Tls): Promise<string> {
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const question: GateQuestion = {
  distribution: 'debian',
  image: 'debian-12:v36',
  wave: 1,
  counts: { following: 40, updated: 4, updating: 2, reverted: 0, unavailable: 1 },
};
const common = { name: 'errors', intervalSeconds: 30, timeoutSeconds: 5, failureLimit: 0 };
const prometheus = (url: string, more: Partial<Gate> = {}): Gate => ({
  ...common,
  prometheus: { url, query: 'sum(rate(errors[5m])) < bool 1' },
  ...more,
});
const webhook = (url: string, more: Partial<Gate> = {}): Gate => ({ ...common, webhook: { url }, ...more });

type Secrets = Record<string, Record<string, string>>;
const ask = (gate: Gate, secrets: Secrets = {}, signal = AbortSignal.timeout(20_000)) =>
  askGate(gate, question, { readSecret: forGates(secrets), localAddresses: true }, signal);
const forGates =
  (secrets: Secrets, its: Record<string, string> = { 'monoroot.dev/gate': 'true' }) =>
  (name: string) =>
    Promise.resolve(secrets[name] && { labels: its, values: secrets[name] });

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

const success = (resultType: string, result: unknown) =>
  JSON.stringify({ status: 'success', data: { resultType, result } });
const vector = (...values: string[]) =>
  success(
    'vector',
    values.map((value, i) => ({ metric: { pod: `a-${i}` }, value: [1.5, value] })),
  );

describe('a gate of Prometheus', () => {
  test.each<[string, string, boolean, RegExp]>([
    ['holds at 1', vector('1'), true, /^The query gave 1 \{pod="a-0"\}$/],
    ['holds when all values do', vector('1', '2.5', '-3'), true, /gave 1 .*, one of 3 values$/],
    ['holds at infinity', vector('+Inf', '-Inf'), true, /\+Inf/],
    ['holds at a scalar', success('scalar', [1, '0.1']), true, /^The query gave 0.1$/],
    ['does not hold when one value is 0', vector('1', '0', '1'), false, /gave 0 \{pod="a-1"\}, one of 3/],
    ['does not hold at 0', vector('0'), false, /gave 0/],
    ['does not hold at another way to write 0', vector('-0.0e3'), false, /gave -0/],
    ['does not hold at a scalar of 0', success('scalar', [1, '0']), false, /gave 0$/],
    ['does not hold at NaN', vector('NaN'), false, /gave NaN/],
    ['does not hold at a scalar that is NaN', success('scalar', [1, 'NaN']), false, /gave NaN/],
    ['does not hold at no value', vector(), false, /gave nothing/],
    ['does not hold at words for a number', vector('many'), false, /gave many/],
    ['does not hold at an empty number', vector(''), false, /gave/],
    ['does not hold at a histogram', success('vector', [{ metric: {}, histogram: [1, {}] }]), false, /a histogram/],
    ['does not hold at a string', success('string', [1, '1']), false, /gives a string; make it give a scalar/],
    ['does not hold at a matrix', success('matrix', [{ metric: {}, values: [[1, '1']] }]), false, /gives a matrix/],
    ['does not hold at a page', '<html>hello</html>', false, /nothing that Prometheus would say: <html>hello/],
    ['does not hold at other JSON', '{"status":"success"}', false, /nothing that Prometheus would say/],
    ['does not hold at an empty answer', '', false, /nothing; check the url/],
    ['does not hold at an error that comes with 200', '{"status":"error","error":"no"}', false, /no; check the query/],
  ])('%s', async (_case, answer, holds, message) => {
    const result = await ask(prometheus(await serve((_request, response) => response.end(answer))));
    expect(result.message).toMatch(message);
    expect(result.holds).toBe(holds);
  });

  test('gets the query below the path of the base URL, with the login', async () => {
    const seen: string[] = [];
    const url = await serve((request, response) => {
      void bodyOf(request).then((body) => {
        seen.push(`${request.method} ${request.url}`, body, request.headers.authorization ?? '');
        response.end(vector('1'));
      });
    });
    const gate = prometheus(`${url}/select/0/?tenant=7`, { secretRef: { name: 'login' } });
    expect((await ask(gate, { login: { token: 's3cret\n' } })).holds).toBe(true);
    expect(seen).toEqual([
      'POST /select/0/api/v1/query?tenant=7',
      'query=sum%28rate%28errors%5B5m%5D%29%29+%3C+bool+1',
      'Bearer s3cret',
    ]);
  });

  test('tells what is wrong with the query', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(400).end('{"status":"error","errorType":"bad_data","error":"parse error: unexpected x"}'),
    );
    expect(await ask(prometheus(url))).toEqual({
      holds: false,
      message: `${url.slice(7)} answered 400: bad_data: parse error: unexpected x; check the query of the gate`,
    });
  });

  test('is not read without end', async () => {
    const piece = Buffer.alloc(65536, ' ');
    const url = await serve((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', write);
      write();
    });
    expect(await ask(prometheus(url))).toMatchObject({
      holds: false,
      message: expect.stringMatching(/too long/) as string,
    });
  });
});

describe('a webhook', () => {
  test('gets the state of the rollout as JSON, and holds when it answers 2xx', async () => {
    const seen: unknown[] = [];
    const url = await serve((request, response) => {
      void bodyOf(request).then((body) => {
        seen.push(request.method, request.headers['content-type'], request.headers.authorization, JSON.parse(body));
        response.writeHead(204).end();
      });
    });
    const gate = webhook(`${url}/ask`, { secretRef: { name: 'login' } });
    const result = await ask(gate, { login: { username: 'me', password: 'pass' } });
    expect(result).toEqual({ holds: true, message: `${url.slice(7)} answered 204` });
    const basic = `Basic ${Buffer.from('me:pass').toString('base64')}`;
    expect(seen).toEqual(['POST', 'application/json', basic, question]);
  });

  test('that answers 500 does not hold, and its words are reported on one short line', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(500).end(`too many\n\u0007 errors ${'x'.repeat(5000)}`),
    );
    const result = await ask(webhook(url));
    expect(result.holds).toBe(false);
    expect(result.message).toMatch(/answered 500: too many errors x+…$/);
    expect(result.message.length).toBeLessThan(400);
  });

  test('that leads elsewhere does not hold, and the login goes nowhere else', async () => {
    const asked: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      asked.push(request.headers.authorization);
      response.end();
    });
    const url = await serve((_request, response) =>
      response.writeHead(307, { location: `${other}/there?key=abc` }).end(),
    );
    const result = await ask(webhook(url, { secretRef: { name: 'login' } }), { login: { token: 's3cret' } });
    expect(result.holds).toBe(false);
    expect(result.message).toContain(`answered 307 and leads to ${other}/there, which is not followed`);
    expect(asked).toEqual([]);
  });

  test.each([
    ['a token', { token: 's3cret-s3cret' }],
    ['a password', { username: 'me', password: 's3cret-s3cret' }],
  ])('that repeats %s does not make it known', async (_case, login) => {
    // Where the text is cut, too: no part of the secret is left.
    const url = await serve((request, response) => {
      const words = `${request.headers.authorization} s3cret-s3cret`;
      response.writeHead(500).end(`${words} ${'.'.repeat(287 - words.length)} s3cret-s3cret`);
    });
    const { message } = await ask(webhook(url, { secretRef: { name: 'login' } }), { login });
    expect(message).toContain('***');
    expect(message).not.toMatch(/s3c|bWU6/);
  });
});

describe('a server that cannot be asked does not hold:', () => {
  let trusted: Tls;
  beforeAll(() => {
    trusted = selfSigned();
  });

  test('it gives nothing within the time', async () => {
    const url = await serve(() => undefined);
    const { holds, message } = await ask(prometheus(url, { timeoutSeconds: 1 }));
    expect(holds).toBe(false);
    expect(message).toMatch(/^127\.0\.0\.1:\d+: no answer within 1 s; check/);
  });

  test('it begins and does not end within the time', async () => {
    const url = await serve((_request, response) => response.writeHead(200).write('{"status":'));
    expect((await ask(prometheus(url, { timeoutSeconds: 1 }))).message).toMatch(/no answer within 1 s/);
  });

  test('no one listens', async () => {
    expect((await ask(webhook('http://127.0.0.1:1/'))).message).toMatch(/^127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  test('the authority of its certificate is unknown', async () => {
    const url = await serve((_request, response) => response.end(vector('1')), trusted);
    const { holds, message } = await ask(prometheus(url));
    expect([holds, message]).toEqual([false, expect.stringMatching(/SELF_SIGNED|self-signed/)]);
  });

  test('its certificate is of another authority than that of the gate', async () => {
    const url = await serve((_request, response) => response.end(vector('1')), trusted);
    const gate = prometheus(url, { caRef: { name: 'ca' } });
    expect((await ask(gate, { ca: { 'ca.crt': selfSigned().cert } })).holds).toBe(false);
    expect((await ask(gate, { ca: { 'ca.crt': trusted.cert } })).holds).toBe(true);
  });

  test.each<[string, Partial<Gate>, Secrets, RegExp]>([
    ['its Secret is missing', { secretRef: { name: 'login' } }, {}, /^There is no Secret login/],
    ['its Secret has no login', { secretRef: { name: 'login' } }, { login: { user: 'x' } }, /has neither token nor/],
    ['its authority is missing', { caRef: { name: 'ca' } }, {}, /^There is no Secret ca/],
    ['its authority is empty', { caRef: { name: 'ca' } }, { ca: {} }, /has no key ca.crt/],
    ['its authority is no certificate', { caRef: { name: 'ca' } }, { ca: { 'ca.crt': 'x' } }, /./],
    ['its token cannot be sent', { secretRef: { name: 'login' } }, { login: { token: 'to\nken' } }, /header/],
    ['its URL is none', { webhook: { url: 'http://:99999/' } }, {}, /is no URL/],
    [
      'its URL has a login',
      { webhook: { url: 'http://me:s3cret@localhost/' } },
      {},
      /^The url of the gate has a login/,
    ],
  ])('%s', async (_case, more, secrets, expected) => {
    const { holds, message } = await ask(webhook('https://127.0.0.1:1/', more), secrets);
    expect(message).toMatch(expected);
    expect(message).not.toMatch(/s3cret|to\s+ken/);
    expect(holds).toBe(false);
  });

  test.each<[string, Partial<Gate>, Record<string, string>]>([
    ['its Secret is not labelled for gates', { secretRef: { name: 'login' } }, {}],
    ['its authority is not labelled for gates', { caRef: { name: 'login' } }, {}],
    ['the label of its Secret says no', { secretRef: { name: 'login' } }, { 'monoroot.dev/gate': 'false' }],
  ])('%s', async (_case, more, its) => {
    let asked = 0;
    const url = await serve((_request, response) => {
      asked += 1;
      response.end();
    });
    const login = { token: 's3cret', 'ca.crt': 'PEM' };
    const ports = { readSecret: forGates({ login }, its), localAddresses: true };
    const { holds, message } = await askGate(webhook(url, more), question, ports, AbortSignal.timeout(20_000));
    expect(holds).toBe(false);
    expect(message).toBe(
      'Secret login has no label monoroot.dev/gate=true, so no gate may use it; label it if it is meant for gates',
    );
    expect(asked).toBe(0);
  });

  test('its Secret cannot be read', async () => {
    const readSecret = () => Promise.reject(new Error('forbidden'));
    const gate = webhook('http://127.0.0.1:1/', { secretRef: { name: 'login' } });
    const { message } = await askGate(gate, question, { readSecret, localAddresses: true }, AbortSignal.timeout(5000));
    expect(message).toMatch(/^Secret login cannot be read: forbidden/);
  });
});

test('a question that is broken off is no answer', async () => {
  const stop = new AbortController();
  const url = await serve(() => stop.abort(new Error('stopped')));
  await expect(ask(prometheus(url), {}, stop.signal)).rejects.toThrow('stopped');
});

describe('a gate at an address of this machine', () => {
  test.each(['127.0.0.1', 'localhost', '[::1]', '2130706433'])(
    'is not asked unless the cluster says so: %s',
    async (host) => {
      let asked = 0;
      const url = await serve((_request, response) => {
        asked += 1;
        response.end();
      });
      const gate = webhook(url.replace('127.0.0.1', host));
      const ports = { readSecret: () => Promise.resolve(undefined) };
      const { holds, message } = await askGate(gate, question, ports, AbortSignal.timeout(5000));
      expect([holds, asked]).toEqual([false, 0]);
      expect(message).toContain('is a loopback or link-local address');
    },
  );

  test('a metadata server is not asked', async () => {
    const ports = { readSecret: () => Promise.resolve(undefined) };
    const { message } = await askGate(
      webhook('http://169.254.169.254/latest'),
      question,
      ports,
      AbortSignal.timeout(5000),
    );
    expect(message).toContain('169.254.169.254 is a loopback or link-local address');
  });
});
