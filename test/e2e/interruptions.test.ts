import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { nodes } from '../../src/kube/resources.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import {
  applyContainer,
  hostedContainers,
  patchContainer,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { hack, has, kubectl, namespace } from './lib/system.ts';
import { record, uidsOf } from './lib/watch.ts';

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
afterAll(() => remove({ containers: ['cut-off'], images: [good, better] }));

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
