import { afterAll, expect, test } from 'vitest';
import { systemNamespace } from '../../../src/api/names.ts';
import type { NodeStore } from '../../../src/api/nodestore.ts';
import { createClient } from '../../../src/kube/client.ts';
import { nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { nodes, pods } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { liesAbout } from '../../fixtures/lies.ts';
import { logger } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { applyManifests, connectAs } from '../manifests.ts';
import { openStage } from './stage.ts';

/** A stolen token of the agent of n1, against the real API server with its policies, and the real operator. */
const stage = await openStage();
const { client, cluster, connection, createImage, distribute, start, good, until, namespace } = stage;
afterAll(() => stage.close());
const liar = 'n1';

/** Every value that something of an object ever had. */
async function record<T extends KubeObject>(resource: Resource<T>, of: (object: T) => object | undefined) {
  const stop = new AbortController();
  const seen = new Set<string>();
  const reflector = new Reflector({ name: 'record', source: client.listWatcher(resource), logger });
  reflector.store.subscribe((_key, _old, current) => {
    const value = current && of(current);
    if (value !== undefined) seen.add(JSON.stringify(value));
  });
  const running = reflector.run(stop.signal);
  await reflector.synced(stop.signal);
  return {
    seen,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

async function stolenToken() {
  await applyManifests(client, 'agent-rbac.yaml');
  const spec = { serviceAccountName: 'monoroot-agent', nodeName: liar, containers: [{ name: 'agent', image: 'x' }] };
  const pod = await client.create(pods, { metadata: { name: 'agent', namespace: systemNamespace }, spec });
  return connectAs(cluster.kubeconfig, connection, 'monoroot-agent', { pod });
}

test('a liar among the agents reaches its own node only, whatever it says', async () => {
  await createImage('os:v1');
  await distribute('os:v1', { activate: { newContainers: true } });
  await until(osImages, 'os.v1', { Ready: 'True/Stored', Consistent: 'True/Agreed' });
  await eventually(async () => {
    const told = await client.list(nodeStores);
    expect(told.map(({ status }) => status?.images?.[0]?.state)).toEqual(['Ready', 'Ready', 'Ready']);
  });
  await start('web', 'os:v1');
  const web = await good('web', 'os:v1');
  await stage.playAgent(liar);
  // The container of a liar's node is in its hands; here it is one on another node that is looked at.
  const elsewhere = (name: string) => name !== liar;

  const records = {
    told: await record(nodeStores, ({ metadata, spec }: NodeStore) =>
      elsewhere(metadata.name) ? { name: metadata.name, images: spec.images } : undefined,
    ),
    facts: await record(osImages, ({ status }) => ({
      facts: [status?.layout, status?.defaults, status?.hasMountScript, status?.factsFrom, status?.digest],
      ready: findCondition(status?.conditions, 'Ready')?.status,
    })),
    labels: await record(nodes, ({ metadata }) => (elsewhere(metadata.name) ? metadata.labels : undefined)),
    pods: await record(pods, ({ metadata, spec }) =>
      metadata.namespace === namespace ? { uid: metadata.uid, spec } : undefined,
    ),
  };
  const before = Object.fromEntries(Object.entries(records).map(([name, { seen }]) => [name, [...seen]]));
  const { refusals } = await stage.operator.counts();

  const thief = await stolenToken();
  try {
    const asAgent = createClient(thief);
    const honest = (await client.get(nodeStores, { name: liar }))?.status ?? {};
    let written = 0;
    for (const { status, name } of liesAbout({ ...honest, conditions: [] })) {
      const metadata = { name: liar };
      await asAgent
        .applyStatus(nodeStores, { metadata, status: status }, { fieldManager: 'monoroot-agent' })
        .catch((error: unknown) => {
          throw new Error(`The schema allows it, and the API server does not: ${name}`, { cause: error });
        });
      written += 1;
      if (written % 10 === 0) stage.operator.reconcileAll();
    }
    expect(written).toBeGreaterThan(200);
    // The last word, by which it is known that the operator has seen all before it.
    const { images = [] } = honest;
    const last = images.map((it) => ({ ...it, defaults: { command: ['/evil'] }, hasMountScript: true }));
    await asAgent.applyStatus(
      nodeStores,
      { metadata: { name: liar }, status: { ...honest, images: last } },
      { fieldManager: 'monoroot-agent' },
    );
    const image = await until(osImages, 'os.v1', { Consistent: 'False/NodesDiffer', Ready: 'True/Stored' });
    expect(findCondition(image.status?.conditions, 'Consistent')?.message).toContain(
      'n1 (defaults, hasMountScript) reported something else',
    );
  } finally {
    await thief.close();
    for (const { stop } of Object.values(records)) await stop();
  }
  expect(Object.fromEntries(Object.entries(records).map(([name, { seen }]) => [name, [...seen]]))).toEqual(before);
  expect((await stage.operator.counts()).refusals).toBe(refusals);
  expect((await good('web', 'os:v1')).status?.restarts).toBe(web.status?.restarts);
});
