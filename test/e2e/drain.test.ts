import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '../../src/api/kubernetes/objects.ts';
import { serveFiles } from './lib/files.ts';
import { provide } from './lib/images.ts';
import { applyContainer, hostedContainers, pods, remove } from './lib/objects.ts';
import { fieldManager, has, kubectl, namespace } from './lib/system.ts';
import { recordAll } from './lib/watch.ts';
import type { Sighting } from './lib/watch.ts';

/** `kubectl drain` of a real node, with a PodDisruptionBudget in percent over hosted containers. */

const image = 'tiny:drained';
const names = Array.from({ length: 10 }, (_, i) => `drained-${i + 1}`);
const selector = 'fleet=drain';

beforeAll(async () => {
  await serveFiles();
  await provide(image);
});
afterAll(async () => {
  await kubectl.run(['-n', namespace, 'delete', 'poddisruptionbudget', 'drain', '--ignore-not-found']);
  await remove({ containers: names, images: [image] });
});

const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') ?? false);

/** Most that were not Ready at the same time, after all of them had been. */
function mostDown(seen: readonly Sighting<Pod>[]): number {
  const ready = new Map<string, boolean>();
  let [most, begun] = [0, false];
  for (const { type, object } of seen) {
    ready.set(object.metadata.name, type !== 'DELETED' && isReady(object));
    const up = [...ready.values()].filter(Boolean).length;
    begun ||= up === names.length;
    if (begun) most = Math.max(most, names.length - up);
  }
  return most;
}

test('a drain evicts one of ten at a time, and all of them run elsewhere', { timeout: 420_000 }, async (context) => {
  const seen = recordAll<Pod>(context, pods, { namespace }, `labelSelector=${encodeURIComponent(selector)}`);
  for (const name of names)
    await applyContainer(name, {
      image,
      podTemplate: { terminationGracePeriodSeconds: 2, metadata: { labels: { fleet: 'drain' } } },
    });
  const good = async () =>
    (await kubectl.list(hostedContainers, { namespace })).filter(
      (c) => names.includes(c.metadata.name) && has(c, 'Ready', 'True/Running') && has(c, 'Upgraded', 'True/UpToDate'),
    ).length;
  await expect.poll(good, { timeout: 120_000, interval: 500 }).toBe(names.length);
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'drain', namespace },
    spec: { maxUnavailable: '10%', selector: { matchLabels: { fleet: 'drain' } } },
  };
  await kubectl.apply([budget], fieldManager);
  const on = async (node: string) =>
    (await kubectl.list(pods, { namespace, labelSelector: selector })).filter(({ spec }) => spec.nodeName === node);
  const counts = await Promise.all(
    ['node-2', 'node-3'].map(async (node) => ({ node, count: (await on(node)).length })),
  );
  const { node = 'node-3' } = counts.sort((a, b) => b.count - a.count)[0] ?? {};
  const options = ['--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=300s'];
  try {
    await kubectl.run(['drain', node, ...options, `--pod-selector=${selector}`]);
    await expect.poll(good, { timeout: 120_000, interval: 500 }).toBe(names.length);
    expect(await on(node)).toEqual([]);
    expect(mostDown(seen)).toBe(1);
  } finally {
    await kubectl.run(['uncordon', node]);
  }
});
