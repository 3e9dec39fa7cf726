import { afterAll, expect, test } from 'vitest';
import { hostedContainers } from '../../../src/kube/kinds.ts';
import { defineResource, pods } from '../../../src/kube/resources.ts';
import { ApiError } from '../../../src/runtime/errors.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { eventually } from '../eventually.ts';
import { openStage } from './stage.ts';

interface Budget extends KubeObject {
  spec: object;
  status?: { disruptionsAllowed: number; expectedPods: number; desiredHealthy: number; disruptedPods?: object };
}
const policy = { group: 'policy', version: 'v1', namespaced: true };
const budgets = defineResource<Budget>({ ...policy, plural: 'poddisruptionbudgets', kind: 'PodDisruptionBudget' });

/** Budgets over containers, with the controller of Kubernetes itself. */
const stage = await openStage({ controllers: ['disruption-controller'] });
const { client, namespace, start, good } = stage;
afterAll(() => stage.close());
await stage.createImage('os:v1');
await stage.distribute('os:v1');

/** What `kubectl drain` asks for: undefined when it was granted, else the code of the refusal. */
async function evict(name: string): Promise<number | undefined> {
  try {
    await stage.evict(name);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return error.code;
    throw error;
  }
}

test('a budget of maxUnavailable in percent lets one container after the other go', async () => {
  const names = Array.from({ length: 10 }, (_, i) => `web-${i}`);
  const podTemplate = { automountServiceAccountToken: false, metadata: { labels: { app: 'web' } } };
  await Promise.all(names.map((name) => start(name, 'os:v1', { podTemplate })));
  await Promise.all(names.map((name) => good(name, 'os:v1')));
  const spec = { maxUnavailable: '10%', selector: { matchLabels: { app: 'web' } } };
  const budget = { namespace, name: 'web' };
  await client.create(budgets, { metadata: budget, spec });
  const allowed = (count: number) =>
    eventually(async () => {
      const { status } = (await client.get(budgets, budget)) ?? {};
      expect(status).toMatchObject({ disruptionsAllowed: count, expectedPods: 10, desiredHealthy: 9 });
      // Whom an eviction has named counts as gone until the controller has seen it go.
      expect(Object.keys(status?.disruptedPods ?? {})).toEqual([]);
    });
  await allowed(1);
  stage.behaviours.set('web-0 os:v1', 'starting');
  const before = (await client.get(pods, { namespace, name: 'web-0' }))?.metadata.uid;
  // It takes a moment to stop, as any Pod.
  await stage.kubelets.stop();
  expect(await evict('web-0')).toBeUndefined();
  await allowed(0);
  stage.kubelets.start();
  await eventually(async () => {
    const uid = (await client.get(pods, { namespace, name: 'web-0' }))?.metadata.uid;
    expect([undefined, before]).not.toContain(uid);
  });
  await allowed(0);
  expect(await evict('web-1')).toBe(429);
  stage.behaviours.clear();
  await allowed(1);
  expect(await evict('web-1')).toBeUndefined();
  await good('web-1', 'os:v1');
  await Promise.all(names.map((name) => client.delete(hostedContainers, { namespace, name })));
});

test('a scaler starts and stops a container, as suspend does', async () => {
  await start('scaled', 'os:v1');
  await good('scaled', 'os:v1');
  await stage.scale('scaled', 0);
  await stage.until(hostedContainers, 'scaled', { Ready: 'True/Suspended', Reconciling: 'False/Settled' });
  expect(await stage.podOf('scaled')).toBeUndefined();
  await stage.scale('scaled', 1);
  await good('scaled', 'os:v1');
});
