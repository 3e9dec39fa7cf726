import { expect, test } from 'vitest';
import { keyFor, loopbackHosts, refusalOf, serviceHosts } from './access.ts';
import type { Access, Asked } from './access.ts';
import { keyPath } from './routes.ts';

const access: Access = { hosts: loopbackHosts, key: 'key', ticket: 'once' };
const asked = (changes: Partial<Asked> = {}): Asked => ({
  method: 'GET',
  url: '/api/stream',
  host: '127.0.0.1:9080',
  authorization: 'Bearer key',
  site: 'same-origin',
  ...changes,
});
const statusOf = (changes: Partial<Asked>, by = access) => refusalOf(asked(changes), by)?.status;

test('who shows the key is answered, under each name of this machine', () => {
  expect(statusOf({})).toBeUndefined();
  expect(statusOf({ host: 'localhost:9080' })).toBeUndefined();
  expect(statusOf({ host: '[::1]:9080' })).toBeUndefined();
  expect(statusOf({ host: 'LOCALHOST' })).toBeUndefined();
});

test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'get'])('%s is not answered', (method) => {
  expect(refusalOf(asked({ method }), access)).toMatchObject({ status: 405, headers: { allow: 'GET' } });
});

test.each(['evil.example', 'evil.example:9080', '127.0.0.1.evil.example', 'localhost.evil.example:80', '', undefined])(
  'a name that leads here is not a name of this machine: %s',
  (host) => {
    expect(statusOf({ host })).toBe(421);
    expect(statusOf({ host, url: '/' })).toBe(421);
  },
);

test.each([undefined, '', 'Bearer', 'Bearer ', 'Bearer other', 'Bearer key ', 'key', 'Basic key', 'Bearer once'])(
  'without the key there are no data: %s',
  (authorization) => expect(statusOf({ authorization })).toBe(401),
);

test('the page itself holds no data and needs no key, as a browser that opens it has none to show', () => {
  for (const url of ['/', '/main.js', '/containers/a/b'])
    expect(statusOf({ url, authorization: undefined })).toBeUndefined();
});

test('a ticket is changed for the key, and the key for nothing', () => {
  expect(statusOf({ url: keyPath, authorization: 'Bearer once' })).toBeUndefined();
  expect(keyFor(asked({ authorization: 'Bearer once' }), access)).toBe('key');
  expect(keyFor(asked({ authorization: 'Bearer key' }), access)).toBeUndefined();
  expect(keyFor(asked({ authorization: 'Bearer once' }), { ...access, ticket: undefined })).toBeUndefined();
  expect(keyFor(asked({ authorization: 'Bearer undefined' }), { ...access, ticket: undefined })).toBeUndefined();
});

test('data are for the page alone, not for other sites, and not for another port of this machine', () => {
  for (const site of ['cross-site', 'same-site', 'anything']) {
    expect(statusOf({ site })).toBe(403);
    expect(statusOf({ site, url: keyPath })).toBe(403);
    expect(statusOf({ site, url: '/' })).toBeUndefined();
  }
  // Programs say nothing of the kind.
  expect(statusOf({ site: undefined })).toBeUndefined();
  expect(statusOf({ site: 'none' })).toBeUndefined();
});

test('where others guard the way, the name decides alone', () => {
  const open = { hosts: loopbackHosts };
  expect(refusalOf(asked({ authorization: undefined }), open)).toBeUndefined();
  expect(refusalOf(asked({ host: 'evil.example' }), open)?.status).toBe(421);
  expect(keyFor(asked({ authorization: 'Bearer undefined' }), open)).toBeUndefined();
});

test('in a cluster it is asked for under the names of its Service, those of a port-forward, and those that were set', () => {
  const hosts = serviceHosts('monoroot-web', 'hosting', [' Fleet.Example.com', '']);
  const answered = (host: string) => refusalOf(asked({ host, authorization: undefined }), { hosts }) === undefined;
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
