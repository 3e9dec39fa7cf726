import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { configMaps } from '../../src/kube/resources.ts';
import type { WatchEvent } from '../../src/runtime/reflector.ts';
import type { ConfigMap } from '../../src/api/kubernetes/objects.ts';
import { connect, createNamespace } from './environment.ts';
import { eventually, patience } from './eventually.ts';
import { follow } from './follower.ts';

const { connection, client } = connect(inject('kubeconfig'));
afterAll(() => connection.close());

let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace(client);
});

const put = (name: string, value: string, labels: Record<string, string> = {}) =>
  client.apply(
    configMaps,
    { metadata: { namespace, name, labels: { set: 'small', ...labels } }, data: { value } },
    { fieldManager: 'test' },
  );
const small = () => ({ namespace, labelSelector: 'set=small' });

test('reads a big collection page by page', async () => {
  const names = Array.from({ length: 1200 }, (_, i) => `big-${i}`);
  const create = (name: string) => client.create(configMaps, { metadata: { namespace, name, labels: { set: 'big' } } });
  for (let i = 0; i < names.length; i += 50) await Promise.all(names.slice(i, i + 50).map(create));
  const selection = { namespace, labelSelector: 'set=big' };

  const first = await client.listWatcher(configMaps, selection).list({ limit: 500 });
  expect(first.items).toHaveLength(500);
  expect(first.continue).toBeTruthy();
  expect(await client.list(configMaps, selection)).toHaveLength(1200);

  const follower = follow(client, selection);
  await follower.reflector.synced(patience());
  expect(follower.reflector.store.size).toBe(1200);
  expect(follower.lists).toEqual([1200]);
  await follower.stop();
});

test('follows changes, tells each once, and keeps objects small and frozen', async () => {
  await put('a', '1');
  const follower = follow(client, small());
  await follower.reflector.synced(patience());
  await put('b', '1');
  await put('a', '2');
  await client.delete(configMaps, { namespace, name: 'b' });
  await eventually(() => expect(follower.changes).toEqual(['+a', '+b', '~a', '-b']));
  expect(follower.contents()).toEqual(['a=2']);

  const object = follower.reflector.store.get(`${namespace}/a`);
  expect(object?.metadata).not.toHaveProperty('managedFields');
  expect(object?.kind).toBe('ConfigMap');
  expect(() => Object.assign(object?.data ?? {}, { value: '3' })).toThrow(TypeError);
  await follower.stop();
});

test('goes on where it was when the server ends a watch, without a new list', async () => {
  const follower = follow(client, small(), { watchSeconds: 1 });
  await follower.reflector.synced(patience());
  for (const value of ['10', '11', '12']) {
    const ends = follower.watchEnds.length;
    await eventually(() => expect(follower.watchEnds.length).toBeGreaterThan(ends));
    await put('a', value);
    await eventually(() => expect(follower.contents()).toEqual([`a=${value}`]));
  }
  expect(follower.lists).toHaveLength(1);
  expect(new Set(follower.watchEnds)).toEqual(new Set(['closed']));
  await follower.stop();
});

test('gets bookmarks, so that a watch of what seldom changes does not fall behind', async () => {
  const watcher = client.listWatcher(configMaps, { namespace, labelSelector: 'set=none' });
  const { resourceVersion } = await watcher.list({ limit: 500 });
  let count = 0;
  const elsewhere = setInterval(() => void put('a', `elsewhere ${count++}`), 200);
  const seen: WatchEvent<ConfigMap>[] = [];
  // The server sends one two seconds before it ends a watch, which is sooner than the usual minute.
  const watch = await watcher.watch({ resourceVersion, timeoutSeconds: 5, signal: patience() });
  for await (const event of watch) seen.push(event);
  clearInterval(elsewhere);
  const bookmark = seen.at(-1);
  expect(bookmark?.type === 'BOOKMARK' && Number(bookmark.resourceVersion)).toBeGreaterThan(Number(resourceVersion));
});
