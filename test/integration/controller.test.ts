import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { configMaps } from '../../src/kube/resources.ts';
import type { ConfigMap } from '../../src/api/kubernetes/objects.ts';
import { createController, watch } from '../../src/runtime/controller.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { Reflector } from '../../src/runtime/reflector.ts';
import { connect, createNamespace, logger } from './environment.ts';
import { eventually } from './eventually.ts';

const { connection, client } = connect(inject('kubeconfig'));
let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace(client);
});
afterAll(() => connection.close());

test('keeps copies equal to their originals, in the face of failures and of meddling', async () => {
  const put = (name: string, value: string) =>
    client.apply(configMaps, { metadata: { namespace, name }, data: { value } }, { fieldManager: 'user' });
  const copyOf = async (name: string) =>
    (await client.get(configMaps, { namespace, name: `${name}.copy` }))?.data?.['value'];
  const originalOf = (name: string) => name.replace(/\.copy$/, '');

  const metrics = createMetrics();
  const reflector = new Reflector<ConfigMap>({
    name: 'configmaps',
    source: client.listWatcher(configMaps, { namespace }),
    logger,
  });
  let failures = 0;
  const controller = createController({
    name: 'copy',
    logger,
    workers: 2,
    hooks: metrics.controller('copy'),
    sources: [watch(reflector, { keys: ({ metadata }) => [`${namespace}/${originalOf(metadata.name)}`] })],
    queue: { backoff: { initialMilliseconds: 10, maxMilliseconds: 100 } },
    async reconcile({ key, name }) {
      const original = reflector.store.get(key);
      if (!original) return {};
      if (original.data?.['value'] === 'flaky' && failures++ < 3) throw new Error('Failed for a test');
      const copy = { metadata: { namespace, name: `${name}.copy` }, data: { ...original.data } };
      await client.apply(configMaps, copy, { fieldManager: 'copy' });
      return {};
    },
  });

  await put('before', '1');
  const stop = new AbortController();
  const running = Promise.all([reflector.run(stop.signal), controller.run(stop.signal)]);
  await eventually(async () => expect(await copyOf('before')).toBe('1'));
  await put('after', 'flaky');
  await eventually(async () => expect(await copyOf('after')).toBe('flaky'));
  await client.mergePatch(configMaps, { namespace, name: 'before.copy' }, { data: { value: 'meddled' } });
  await eventually(async () => expect(await copyOf('before')).toBe('1'));
  await client.delete(configMaps, { namespace, name: 'after.copy' });
  await eventually(async () => expect(await copyOf('after')).toBe('flaky'));
  stop.abort();
  await running;

  const text = await metrics.registry.metrics();
  expect(text).toContain('controller_runtime_reconcile_total{controller="copy",result="error"} 3');
  expect(text).toContain('workqueue_depth{name="copy"} 0');
});
