import { afterAll, expect, test } from 'vitest';
import { hostedContainers, imageDistributions } from '../../../src/kube/kinds.ts';
import { defineResource } from '../../../src/kube/resources.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { eventually } from '../eventually.ts';
import { objectName, openStage } from './stage.ts';

const stage = await openStage({ controllers: ['resourcequota-controller'] });
const { client, namespace, createImage, distribute, ask, until, good, podOf } = stage;
afterAll(() => stage.close());

interface Quota extends KubeObject {
  spec?: { hard: Record<string, string> };
  status?: { used?: Record<string, string>; hard?: Record<string, string> };
}
const quotas = defineResource<Quota>({
  group: '',
  version: 'v1',
  plural: 'resourcequotas',
  kind: 'ResourceQuota',
  namespaced: true,
});

/** The quota allows so many Pods, and the API server enforces that. */
async function allow(pods: string): Promise<void> {
  await client.apply(
    quotas,
    { metadata: { name: 'all', namespace }, spec: { hard: { pods } } },
    { fieldManager: 'sre' },
  );
  await eventually(async () => {
    const { status } = (await client.get(quotas, { name: 'all', namespace })) ?? {};
    expect(status).toMatchObject({ hard: { pods }, used: { pods: '2' } });
  });
}

test('a full quota lets a container upgrade in its own place; one that was lowered does not take it down', async () => {
  for (const image of ['app:v1', 'app:v2', 'app:v3']) {
    await createImage(image);
    await distribute(image);
  }
  for (const image of ['app:v1', 'app:v2', 'app:v3'])
    await until(imageDistributions, objectName(image), { Ready: 'True/AllNodes' });
  for (const name of ['one', 'two']) {
    await ask(name, 'app:v1');
    await good(name, 'app:v1');
  }
  await allow('2');
  await ask('one', 'app:v2');
  await good('one', 'app:v2');

  await allow('1');
  const before = (await podOf('two'))?.metadata.uid;
  await ask('two', 'app:v3');
  const waits = await until(hostedContainers, 'two', {
    Ready: 'True/Running',
    Upgraded: 'Unknown/PodForbidden',
    Stalled: 'True/PodForbidden',
  });
  expect(findCondition(waits.status?.conditions, 'Stalled')?.message).toMatch(
    /exceeded quota: all, requested: pods=1, used: pods=2, limited: pods=1.*Change the quota/,
  );
  expect((await podOf('two'))?.metadata.uid).toBe(before);
  expect(waits.status?.failedImages ?? []).toEqual([]);
  await allow('2');
  stage.operator.reconcileAll();
  await good('two', 'app:v3');
});
