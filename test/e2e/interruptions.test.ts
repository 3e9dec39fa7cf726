import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodes } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/api/kubernetes/objects.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import {
  applyContainer,
  hostedContainers,
  messageOf,
  patchContainer,
  pods,
  remove,
  reverted,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { hack, has, kubectl, namespace } from './lib/system.ts';
import { record, sighted, uidsOf } from './lib/watch.ts';
import type { Sighting } from './lib/watch.ts';

/** What ends the Pods of an upgrade without being a fault of the image. */

const [good, better] = ['tiny:int1', 'tiny:int2'] as const;
let far = '';

beforeAll(async () => {
  await serveFiles();
  await provide(good, better);
  const [server] = await kubectl.list(pods, { namespace, labelSelector: 'app=files' });
  const names = (await kubectl.list(nodes)).map(({ metadata }) => metadata.name);
  far = names.find((name) => name !== server?.spec.nodeName) ?? '';
}, 240_000);
afterAll(() => remove({ containers: ['cut-off', 'fills', 'pushed'], images: [good, better] }));

/** Ends only when the kubelet kills it, so the Pod tells why; on the better version it first writes more than it may. */
const service = (more: string) => {
  const fill = `grep -q ${better} /usr/share/monoroot/version && ${more}`;
  return ['/bin/sh', '-c', `${fill}; exec httpd -f -p 8080 -h /var/www`];
};

test.concurrent(
  'a container that fills its disk on the new version is evicted three times, and goes back because of that',
  { timeout: 300_000 },
  async (context) => {
    const spec = {
      command: service('yes 0123456789012345678901234567890123456789 | head -c 33554432'),
      // Of its log, which the kubelet looks at every ten seconds; at volumes only every minute.
      resources: { limits: { 'ephemeral-storage': '16Mi' } },
      podTemplate: { terminationGracePeriodSeconds: 1 },
      // Longer than the kubelet takes to look at its disk again.
      upgrade: { minReadySeconds: 60, progressDeadlineSeconds: 200 },
    };
    await applyContainer('fills', { image: good, ...spec, upgrade: { minReadySeconds: 1 } });
    await upToDate('fills', good);
    const runs = record(context, pods, { name: 'fills', namespace });
    await applyContainer('fills', { image: better, ...spec });
    const paused = await untilContainer(
      'fills',
      'is on the good version in the pause',
      (c) => has(c, 'Upgraded', 'Unknown/Interrupted') && has(c, 'Ready', 'True/Running') && c.status?.image === good,
      120,
    );
    expect(paused.status?.failedImages ?? []).toEqual([]);
    const back = await reverted('fills', good, 200);
    expect(back.status?.failedImages?.[0]).toMatchObject({ image: better, reason: 'Evicted', attempts: 1 });
    expect(back.status?.failedImages?.[0]?.message).toContain('exceeds the total limit of containers 16Mi');
    expect(messageOf(back, 'Upgraded')).toContain('Evicted');
    const evicted = runs.filter(({ object }) => object.status?.reason === 'Evicted').map(({ object }) => object);
    expect(new Set(evicted.map(({ metadata }) => metadata.uid)).size).toBe(3);
  },
);

test.concurrent(
  'Pods of an upgrade that others evict again and again are no evidence against the image',
  { timeout: 240_000 },
  async (context) => {
    await applyContainer('pushed', { image: good, podTemplate: { terminationGracePeriodSeconds: 1 } });
    await upToDate('pushed', good);
    const runs = record(context, pods, { name: 'pushed', namespace });
    await patchContainer('pushed', { image: better, upgrade: { minReadySeconds: 20 } });
    const isBetter = ({ object }: Sighting<Pod>) => object.metadata.annotations?.['monoroot.dev/image'] === better;
    const evict = async (seen: readonly string[]) => {
      const { object } = await sighted(runs, 'a Pod of the better version', (it) => isBetter(it) && !seen.includes(it.object.metadata.uid ?? '')); // prettier-ignore
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'pushed', namespace } };
      const path = `/api/v1/namespaces/${namespace}/pods/pushed/eviction`;
      await kubectl.run(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) });
      return [...seen, object.metadata.uid ?? ''];
    };
    await evict(await evict([]));
    const paused = await untilContainer(
      'pushed',
      'is on the good version in the pause',
      (c) => has(c, 'Upgraded', 'Unknown/Interrupted') && has(c, 'Ready', 'True/Running') && c.status?.image === good,
    );
    expect(messageOf(paused, 'Upgraded')).toContain('EvictionByEvictionAPI');
    expect(paused.status?.failedImages ?? []).toEqual([]);
    await patchContainer('pushed', { restartToken: 'now' });
    const done = await upToDate('pushed', better);
    expect(done.status?.failedImages ?? []).toEqual([]);
  },
);

test('a node that dies in mid-upgrade is no evidence against the image', { timeout: 420_000 }, async (context) => {
  await applyContainer('cut-off', {
    image: good,
    podTemplate: { terminationGracePeriodSeconds: 5, nodeSelector: { 'kubernetes.io/hostname': far } },
    // The grace that Kubernetes gives a silent node (up to 50 s) must not be enough to be good.
    upgrade: { minReadySeconds: 2, progressDeadlineSeconds: 100, maxRestarts: 1 },
  });
  await upToDate('cut-off', good);
  await patchContainer('cut-off', { upgrade: { minReadySeconds: 75 } });
  const runs = record(context, pods, { name: 'cut-off', namespace });
  await patchContainer('cut-off', { image: better });
  await untilContainer(
    'cut-off',
    'runs the better version',
    (c) => c.status?.image === better && has(c, 'Ready', 'True/Running'),
  );
  onTestFinished(async () => {
    await hack('cluster', 'node', 'start', far);
  });
  await hack('cluster', 'node', 'stop', far);
  await untilContainer('cut-off', 'says that its node is silent', (c) => has(c, 'Ready', 'False/NodeUnreachable'), 90);
  // Longer than the deadline: time itself is the subject here.
  const end = Date.now() + 110_000;
  await expect.poll(() => Date.now(), { timeout: 120_000, interval: 1000 }).toBeGreaterThan(end);
  const silent = await kubectl.get(hostedContainers, { name: 'cut-off', namespace });
  expect(silent?.status?.failedImages ?? []).toEqual([]);
  expect(silent?.spec.image).toBe(better);
  await hack('cluster', 'node', 'start', far);
  const done = await untilContainer(
    'cut-off',
    'is good on the better version',
    (c) => c.status?.lastKnownGoodImage === better && has(c, 'Ready', 'True/Running'),
    200,
  );
  expect(done.status?.failedImages ?? []).toEqual([]);
  expect(done.status?.history?.[0]).toMatchObject({ image: better, outcome: 'Succeeded' });
  expect(uidsOf(runs)).toHaveLength(2);
});
