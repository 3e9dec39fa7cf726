import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { configMaps } from '../../src/kube/resources.ts';
import { startTestCluster } from './apiserver.ts';
import type { TestCluster } from './apiserver.ts';
import { connect, createNamespace } from './environment.ts';
import type { Connected } from './environment.ts';
import { eventually, patience } from './eventually.ts';
import { follow } from './follower.ts';
import type { Follower } from './follower.ts';
import { startTcpProxy } from './tcpproxy.ts';
import type { TcpProxy } from './tcpproxy.ts';

// Its own API server, because this one is killed; the reflector reaches it through a network that can fail.
let cluster: TestCluster;
let proxy: TcpProxy;
let direct: Connected;
let remote: Connected;
let namespace: string;
let follower: Follower;

beforeAll(async () => {
  cluster = await startTestCluster();
  proxy = await startTcpProxy(Number(new URL(cluster.url).port));
  direct = connect(cluster.kubeconfig);
});
afterEach(async () => {
  await follower.stop();
  await remote.connection.close();
});
afterAll(async () => {
  await Promise.all([direct.connection.close(), proxy.close()]);
  await cluster.stop();
});

const put = (name: string, value: string) =>
  direct.client.apply(configMaps, { metadata: { namespace, name }, data: { value } }, { fieldManager: 'test' });
const remove = (name: string) => direct.client.delete(configMaps, { namespace, name });

async function start(silenceSeconds = 100): Promise<void> {
  namespace = await createNamespace(direct.client);
  await Promise.all([put('kept', '0'), put('changed', '1'), put('removed', '1')]);
  remote = connect(cluster.kubeconfig, { url: `https://127.0.0.1:${proxy.port}` });
  const backoff = { initialMilliseconds: 50, maxMilliseconds: 500 };
  follower = follow(remote.client, { namespace }, { silenceSeconds, backoff });
  await follower.reflector.synced(patience());
  // Only a change that arrives proves that the watch has begun.
  await put('kept', '1');
  await eventually(() => expect(follower.contents()).toEqual(['changed=1', 'kept=1', 'removed=1']));
  follower.changes.length = 0;
}

async function changeAndExpect(): Promise<void> {
  await Promise.all([put('changed', '2'), put('added', '1'), remove('removed')]);
  await expectChanged();
}

/** Deletions too, and nothing about what stayed as it was. */
async function expectChanged(): Promise<void> {
  await eventually(() => expect(follower.contents()).toEqual(['added=1', 'changed=2', 'kept=1']));
  expect([...follower.changes].sort()).toEqual(['+added', '-removed', '~changed']);
}

test('notices that a connection is dead although no one closed it', async () => {
  await start(2);
  const before = proxy.accepted;
  proxy.freeze();
  await changeAndExpect();
  expect(follower.watchEnds).toContain('silent');
  expect(follower.lists).toHaveLength(1);
  expect(proxy.accepted).toBeGreaterThan(before);
});

test('comes back by itself after a network that was gone', async () => {
  await start();
  proxy.cut();
  await Promise.all([put('changed', '2'), put('added', '1'), remove('removed')]);
  await eventually(() => expect(follower.watchEnds.length).toBeGreaterThan(2));
  proxy.fix();
  await expectChanged();
});

test('catches up after the API server was killed and started again', async () => {
  await start();
  await cluster.killApiServer();
  await eventually(() => expect(follower.watchEnds).toContain('error'));
  await cluster.startApiServer();
  await changeAndExpect();
});

test('lists again when its place in history is gone, and tells the differences', async () => {
  await start();
  proxy.cut();
  await Promise.all([put('changed', '2'), put('added', '1'), remove('removed')]);
  await cluster.killApiServer();
  await compactEtcd();
  await cluster.startApiServer();
  proxy.fix();
  await expectChanged();
  expect(follower.watchEnds).toContain('gone');
  expect(follower.lists).toHaveLength(2);
});

/** Forgets all history up to now, as the API server does every five minutes. */
async function compactEtcd(): Promise<void> {
  const post = async (path: string, body: object) => {
    const answer = await fetch(cluster.etcdUrl + path, { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { header: { revision: string } };
  };
  const { header } = await post('/v3/kv/range', { key: Buffer.from('/').toString('base64') });
  await post('/v3/kv/compaction', { revision: header.revision, physical: true });
}
