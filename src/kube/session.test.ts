import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSessions } from './session.ts';

let directory: string;
let caFile: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'session-'));
  caFile = join(directory, 'ca.crt');
  writeFileSync(caFile, 'first');
});
afterEach(() => rmSync(directory, { recursive: true }));

function configOf(user: object, server = 'https://192.0.2.1:6443/prefix/'): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server, caFile }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}

test('a session has the address and the credentials of the kubeconfig', async () => {
  const token = await createSessions(configOf({ token: 'secret' })).current();
  expect(token).toMatchObject({
    origin: 'https://192.0.2.1:6443',
    prefix: '/prefix',
    headers: { authorization: 'Bearer secret' },
  });
  const password = await createSessions(configOf({ username: 'me', password: 'pw' })).current();
  expect(password.headers).toEqual({ authorization: `Basic ${Buffer.from('me:pw').toString('base64')}` });
});

test('certificates that rotate get new connections, at the latest ten seconds later', async () => {
  let now = 0;
  const sessions = createSessions(configOf({ token: 'secret' }), () => now);
  const first = await sessions.current();
  now = 60_000;
  expect((await sessions.current()).calls).toBe(first.calls);
  writeFileSync(caFile, 'second');
  now = 69_000;
  expect((await sessions.current()).calls).toBe(first.calls);
  now = 70_000;
  const [second, same] = await Promise.all([sessions.current(), sessions.current()]);
  expect(second.calls).not.toBe(first.calls);
  expect(second.streams).not.toBe(first.streams);
  expect(same.calls).toBe(second.calls);
  await sessions.close();
});

test('a token that rotates is read again', async () => {
  let now = 0;
  const config = configOf({ token: 'old' });
  const sessions = createSessions(config, () => now);
  await sessions.current();
  config.users = [{ name: 'u', token: 'new' }];
  now = 10_000;
  expect((await sessions.current()).headers).toEqual({ authorization: 'Bearer new' });
});
