import { expect, test } from 'vitest';
import { loopbackHosts, refusalOf, serviceHosts } from './access.ts';
import type { Asked } from './access.ts';

const access = { hosts: loopbackHosts, token: 'key', ticket: 'once' };
const asked = (changes: Partial<Asked> = {}): Asked => ({
  method: 'GET',
  url: '/',
  host: '127.0.0.1:9080',
  cookie: 'other=1; monoroot-9080=key',
  site: 'same-origin',
  ...changes,
});
const statusOf = (changes: Partial<Asked>, by = access) => refusalOf(asked(changes), by, 'monoroot-9080')?.status;

test('who has the key in a cookie is answered, under each name of this machine', () => {
  expect(statusOf({})).toBeUndefined();
  expect(statusOf({ host: 'localhost:9080' })).toBeUndefined();
  expect(statusOf({ host: '[::1]:9080' })).toBeUndefined();
  expect(statusOf({ host: 'LOCALHOST' })).toBeUndefined();
});

test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'get'])('%s is not answered', (method) => {
  expect(refusalOf(asked({ method }), access, 'monoroot-9080')).toMatchObject({
    status: 405,
    headers: { allow: 'GET' },
  });
});

test.each(['evil.example', 'evil.example:9080', '127.0.0.1.evil.example', 'localhost.evil.example:80', '', undefined])(
  'a name that leads here is not a name of this machine: %s',
  (host) => expect(statusOf({ host })).toBe(421),
);

test.each([
  undefined,
  '',
  'monoroot-9080=',
  'monoroot-9080=other',
  'monoroot-1=key',
  'xmonoroot-9080=key',
  'monoroot-9080=once',
])('without the key there is nothing: cookie %s', (cookie) => expect(statusOf({ cookie })).toBe(401));

test('the key in the address becomes a cookie, and leaves the address', () => {
  expect(refusalOf(asked({ cookie: undefined, url: '/nodes?token=key&q=a' }), access, 'monoroot-9080')).toMatchObject({
    status: 303,
    headers: {
      location: '/nodes?q=a',
      'set-cookie': 'monoroot-9080=key; HttpOnly; SameSite=Strict; Path=/',
    },
    spent: false,
  });
});

test('a ticket is as good as the key, once', () => {
  const first = refusalOf(asked({ cookie: undefined, url: '/?token=once' }), access, 'monoroot-9080');
  expect(first).toMatchObject({ status: 303, spent: true, headers: { location: '/' } });
  expect(statusOf({ cookie: undefined, url: '/?token=once' }, { ...access, ticket: undefined as never })).toBe(401);
});

test('an address of two slashes leads to no other host', () => {
  const { headers } = refusalOf(asked({ url: '//evil.example/?token=key' }), access, 'monoroot-9080') ?? {};
  expect(headers?.['location']).toBe('/evil.example/');
});

test('a wrong key in the address is no key', () =>
  expect(statusOf({ cookie: undefined, url: '/?token=kex' })).toBe(401));

test('data is for the page alone, not for other sites', () => {
  expect(statusOf({ url: '/api/stream', site: 'cross-site' })).toBe(403);
  expect(statusOf({ url: '/', site: 'cross-site' })).toBeUndefined();
});

test('where others guard the way, the name decides alone', () => {
  expect(refusalOf(asked({ cookie: undefined }), { hosts: loopbackHosts }, 'monoroot-9080')).toBeUndefined();
  expect(refusalOf(asked({ host: 'evil.example' }), { hosts: loopbackHosts }, 'monoroot-9080')?.status).toBe(421);
});

test('in a cluster it is asked for under the names of its Service, those of a port-forward, and those that were set', () => {
  const hosts = serviceHosts('monoroot-web', 'hosting', [' Fleet.Example.com', '']);
  const answered = (host: string) => refusalOf(asked({ host, cookie: undefined }), { hosts }, 'x') === undefined;
  for (const host of ['localhost:9080', 'monoroot-web:9080', 'monoroot-web.hosting.svc', 'fleet.example.com'])
    expect(answered(host), host).toBe(true);
  for (const host of [
    'monoroot-web.other.svc',
    'example.com',
    '10.0.0.1:9080',
    'monoroot-web.hosting.svc.evil.example',
    '',
  ])
    expect(answered(host), host).toBe(false);
});
