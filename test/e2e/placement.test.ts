import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiVersion } from '../../src/api/names.ts';
import { nodes, persistentVolumeClaims } from '../../src/kube/resources.ts';
import { parseReference } from '../../src/api/images.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import { serveFiles, tinyArchive, url } from './lib/files.ts';
import { provide, spread, store } from './lib/images.ts';
import {
  applyContainer,
  distributed,
  inside,
  messageOf,
  pods,
  remove,
  untilContainer,
  upToDate,
} from './lib/objects.ts';
import { fieldManager, has, kubectl, namespace, until } from './lib/system.ts';
import { claimSpec, makeClaim, makeVolume, removeVolumes } from './lib/volumes.ts';

/** Where containers run: `everywhere` is on all nodes, `here` first on one node only, and `there` is another node. */

const [everywhere, rare] = ['tiny:place1', 'tiny:place2'] as const;
const fleets = ['tiny:place3', 'tiny:place4'] as const;
const containers = ['at-image', 'wanting', 'at-data', 'moving', 'template', 'software', 'keeps', 'drops'];
const volumes = ['at-data', 'keeps-data', 'drops-data'];
let here = '';
let there = '';
const on = (node: string) => ({ 'kubernetes.io/hostname': node });
const podOf = (name: string) => kubectl.get(pods, { name, namespace });

beforeAll(async () => {
  [here = '', there = ''] = (await kubectl.list(nodes)).map((node) => node.metadata.name);
  await serveFiles();
  await store(rare, { selector: { matchLabels: on(here) } });
  await provide(everywhere);
  await distributed(rare);
  await kubectl.apply(
    [{ apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: namespace }, value: 7 }],
    fieldManager,
  );
});
afterAll(async () => {
  await remove({ containers, images: [everywhere, rare, ...fleets] });
  await removeVolumes(...volumes);
  await kubectl.run(['delete', 'priorityclass', '--ignore-not-found', namespace]);
});

test.each([
  { images: 'all nodes at once', name: 'at-once', image: fleets[0], parallelism: 10 },
  { images: 'one node after the other', name: 'by-turns', image: fleets[1], parallelism: 1 },
])(
  'no node gets more than twice the mean of six containers that are created with their image, which comes to $images',
  { timeout: 180_000 },
  async ({ name, image, parallelism }) => {
    const { os, version = '' } = parseReference(image);
    const archive = await tinyArchive(version);
    const object = (kind: string, objectName: string, spec: object) => ({
      apiVersion,
      kind,
      metadata: { name: objectName, ...(kind === 'HostedContainer' && { namespace }) },
      spec,
    });
    const source = { http: { url: url(archive), sha256: archive.sha256 } };
    const six = ['1', '2', '3', '4', '5', '6'].map((n) => `${name}-${n}`);
    await kubectl.apply(
      [
        object('OSImage', `${os}.${version}`, { os, version, source, defaults: { command: ['/bin/serve'] } }),
        object('ImageDistribution', `${os}.${version}`, { image, parallelism }),
        ...six.map((it) => object('HostedContainer', it, { image, podTemplate: { terminationGracePeriodSeconds: 1 } })),
      ],
      fieldManager,
    );
    const started = await Promise.all(
      six.map((it) =>
        untilContainer(it, 'runs', (c) => has(c, 'Ready', 'True/Running') && c.status?.image === image, 120),
      ),
    );
    const perNode = Map.groupBy(started, ({ status }) => status?.nodeName);
    const mean = six.length / (await kubectl.list(nodes)).length;
    const counts = [...perNode].map(([node, on]) => `${node ?? 'no node'}: ${on.length}`).join(', ');
    expect(Math.max(...[...perNode.values()].map((on) => on.length)), counts).toBeLessThanOrEqual(2 * mean);
    await remove({ containers: six, images: [image] });
  },
);

test.concurrent('a container runs where its image is', async () => {
  await applyContainer('at-image', { image: rare });
  const container = await upToDate('at-image', rare);
  expect(container.status?.nodeName).toBe(here);
});

test.concurrent(
  'no Pod is made while no node that it may use has the image, and the condition names both',
  async () => {
    await applyContainer('wanting', { image: rare, podTemplate: { nodeSelector: on(there) } });
    const container = await untilContainer('wanting', 'waits for a node', (c) => has(c, 'Ready', 'False/PodPending'));
    expectValidStatus(container);
    expect(has(container, 'Upgraded', 'Unknown/WaitingForNode')).toBe(true);
    expect(messageOf(container, 'Ready')).toContain(`${rare} is not on ${there}`);
    expect(await podOf('wanting')).toBeUndefined();
  },
);

test.concurrent('no Pod is made while the node that has the data has not the image', async () => {
  await makeClaim('at-data', there);
  await until(persistentVolumeClaims, { name: 'at-data', namespace }, 'is bound', (c) => c.status?.phase === 'Bound');
  await applyContainer('at-data', { image: rare, data: { claimName: 'at-data' } });
  const container = await untilContainer('at-data', 'waits for a node', (c) => has(c, 'Ready', 'False/PodPending'));
  expect(messageOf(container, 'Ready')).toContain('that can reach the data (claim at-data)');
  expect(messageOf(container, 'Ready')).toContain(`${rare} is not on ${there}`);
  expect(await podOf('at-data')).toBeUndefined();
});

test.concurrent('a container keeps serving while the version that it should go to is not on its node', async () => {
  await applyContainer('moving', { image: everywhere, podTemplate: { nodeSelector: on(there) } });
  await upToDate('moving', everywhere);
  const before = await podOf('moving');
  await applyContainer('moving', { image: rare, podTemplate: { nodeSelector: on(there) } });
  const container = await untilContainer('moving', 'waits for a node', (c) =>
    has(c, 'Upgraded', 'Unknown/WaitingForNode'),
  );
  expect(has(container, 'Ready', 'True/Running')).toBe(true);
  expect(container.status).toMatchObject({ image: everywhere, targetImage: rare });
  expect(messageOf(container, 'Upgraded')).toContain(`${rare} is not on ${there}`);
  expect((await podOf('moving'))?.metadata.uid).toBe(before?.metadata.uid);
});

test.concurrent('what podTemplate says is in the Pod, beside the requirement of the image', async () => {
  const term = { matchExpressions: [{ key: 'kubernetes.io/os', operator: 'In', values: ['linux'] }] };
  const topologySpreadConstraints = [
    {
      maxSkew: 5,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { tier: 'web' } },
    },
  ];
  const tolerations = [{ key: 'customers', operator: 'Exists' as const, effect: 'NoSchedule' as const }];
  await applyContainer('template', {
    image: everywhere,
    podTemplate: {
      metadata: { labels: { tier: 'web' }, annotations: { team: 'blue' } },
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
      tolerations,
      topologySpreadConstraints,
      priorityClassName: namespace,
      terminationGracePeriodSeconds: 4,
    },
  });
  await upToDate('template', everywhere);
  const pod = await podOf('template');
  expect(pod?.metadata).toMatchObject({ labels: { tier: 'web' }, annotations: { team: 'blue' } });
  expect(pod?.spec).toMatchObject({
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    topologySpreadConstraints,
    priorityClassName: namespace,
    priority: 7,
    terminationGracePeriodSeconds: 4,
  });
  expect(pod?.spec.tolerations).toEqual(expect.arrayContaining(tolerations));
  const terms = JSON.stringify(pod?.spec.affinity);
  expect(terms).toContain(JSON.stringify(term.matchExpressions[0]));
  expect(terms).toContain('image.monoroot.dev/tiny.place1');
});

test.concurrent(
  'a claim from a template is made once; it stays or goes with its container, as whenDeleted says',
  async () => {
    for (const name of ['keeps', 'drops'] as const) {
      await makeVolume(`${name}-data`, here);
      const whenDeleted = name === 'keeps' ? 'Retain' : 'Delete';
      await applyContainer(name, {
        image: everywhere,
        data: { claimTemplate: claimSpec(`${name}-data`), whenDeleted },
      });
    }
    await Promise.all(['keeps', 'drops'].map((name) => upToDate(name, everywhere)));
    expect((await podOf('keeps'))?.spec.volumes?.find((v) => v.name === 'data')?.persistentVolumeClaim?.claimName).toBe(
      'keeps-data',
    );
    await inside('keeps', 'echo kept >/data/word');
    await remove({ containers: ['keeps', 'drops'] });
    await kubectl.run(['-n', namespace, 'wait', '--for=delete', 'pvc/drops-data', '--timeout=60s']);
    await applyContainer('keeps', { image: everywhere, data: { claimTemplate: claimSpec('keeps-data') } });
    await upToDate('keeps', everywhere);
    expect(await inside('keeps', 'cat /data/word')).toBe('kept');
  },
);

test.concurrent('software of an OSImage and of an OCI image is at /sw, read-only', async () => {
  const software = [
    { name: 'stored', osImage: rare },
    { name: 'pulled', image: 'localhost/monoroot-scaffold-split:dev' },
  ];
  await applyContainer('software', { image: everywhere, software });
  const container = await upToDate('software', everywhere);
  expect(container.status?.nodeName).toBe(here);
  expect(await inside('software', 'cat /sw/stored/usr/share/monoroot/version')).toBe(rare);
  expect(await inside('software', 'ls /sw/pulled/.monoroot/launch')).toBe('/sw/pulled/.monoroot/launch');
  for (const name of ['stored', 'pulled'])
    expect(await inside('software', `touch /sw/${name}/x 2>&1`)).toContain('Read-only file system');
});

test('all that waited start where they belong once the image is distributed there', async () => {
  await spread(rare);
  for (const name of ['wanting', 'at-data', 'moving']) {
    const container = await upToDate(name, rare);
    expect(container.status?.nodeName).toBe(there);
  }
});
