import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { imageDistributions, nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { nodes } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { logger } from '../environment.ts';
import { eventually, patience } from '../eventually.ts';
import { nodeNames, objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, states, evictions, reports, createNode, createImage, distribute, until, told, labelsOf } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

describe('from an image to a default version', () => {
  test('nodes are asked one after the other, are labelled when they have it, and then it is the default', async () => {
    for (const node of ['n1', 'n2', 'n3']) states.set(`${node} base:v1`, 'Fetching');
    await createImage('base:v1');
    await until(osImages, 'base.v1', { Ready: 'False/NotDistributed' });
    await distribute('base:v1', { parallelism: 1, activate: { newContainers: true } });
    await until(imageDistributions, 'base.v1', { Distributed: 'False/InProgress', Activated: 'False/WaitingForNodes' });
    await eventually(async () => expect(await told('n1')).toEqual(['base:v1']));
    expect([await told('n2'), await told('n3')]).toEqual([[], []]);
    expect(await labelsOf('n1')).toEqual([]);

    states.delete('n1 base:v1');
    await eventually(async () => expect(await labelsOf('n1')).toEqual([`base.v1=${sha256Of('base:v1').slice(0, 12)}`]));
    await until(osImages, 'base.v1', { Ready: 'True/Stored' });
    await eventually(async () => expect(await told('n2')).toEqual(['base:v1']));
    expect(await told('n3')).toEqual([]);

    states.clear();
    const done = await until(imageDistributions, 'base.v1', {
      Distributed: 'True/AllNodes',
      Activated: 'True/NewContainers',
      Ready: 'True/AllNodes',
    });
    expect(done.status?.nodes).toEqual({ desired: 3, ready: 3, active: 0, failed: 0, unreachable: 0 });
    await eventually(async () => {
      const image = await client.get(osImages, { name: 'base.v1' });
      expect(image?.status).toMatchObject({
        defaultVersion: true,
        nodes: { ready: 3, desired: 3 },
        digest: `sha256:${sha256Of('base:v1')}`,
      });
    });
  });

  test('a node that fails is named, and the others go on', async () => {
    states.set('n2 broken:v1', 'Failed');
    await createImage('broken:v1');
    await distribute('broken:v1');
    const failed = await until(imageDistributions, 'broken.v1', {
      Distributed: 'False/NodesFailed',
      Stalled: 'True/NodesFailed',
    });
    expect(failed.status?.failedNodes).toEqual([
      { node: 'n2', reason: 'DigestMismatch', message: 'the archive has another digest' },
    ]);
    await until(osImages, 'broken.v1', { Ready: 'True/Stored' });
    await eventually(async () =>
      expect([(await labelsOf('n1')).length, (await labelsOf('n2')).length]).toEqual([2, 1]),
    );
  });

  test('a node whose agent has said nothing for longer than any try takes holds no place', async () => {
    states.set('n1 silent:v1', 'Fetching');
    await createImage('silent:v1');
    await distribute('silent:v1', { parallelism: 1 });
    await eventually(async () => expect(await told('n1')).toContain('silent:v1'));
    expect(await told('n2')).not.toContain('silent:v1');
    // One try may take 900 s, and a pause between two 300 s.
    await stage.operator.stop();
    await stage.operator.start(1201);
    await eventually(async () => {
      for (const name of ['n2', 'n3']) expect(await told(name)).toContain('silent:v1');
    });
    await eventually(async () => {
      const { status } = await until(imageDistributions, 'silent.v1', { Distributed: 'False/NodesUnreachable' }, 1);
      expect(status?.nodes).toEqual({ desired: 3, ready: 2, active: 0, failed: 0, unreachable: 1 });
    });
    await stage.operator.stop();
    await stage.operator.start();
    states.clear();
    await until(imageDistributions, 'silent.v1', { Ready: 'True/AllNodes' });
    await client.delete(imageDistributions, { name: 'silent.v1' });
    await eventually(async () => expect(await told('n1')).not.toContain('silent:v1'));
  });

  test('a node that joins gets what the others have, and its NodeStore goes with it', async () => {
    const node = await createNode('n4');
    await eventually(async () => expect(await told('n4')).toContain('base:v1'));
    const store = await client.get(nodeStores, { name: 'n4' });
    expect((store?.metadata as { ownerReferences?: object[] }).ownerReferences).toEqual([
      { apiVersion: 'v1', kind: 'Node', name: 'n4', uid: node.metadata.uid },
    ]);
    await eventually(async () => expect(await labelsOf('n4')).toHaveLength(2));
    // There is no garbage collector here.
    await client.delete(nodes, { name: 'n4' });
    await client.delete(nodeStores, { name: 'n4' });
    await eventually(async () =>
      expect((await until(imageDistributions, 'base.v1', { Ready: 'True/AllNodes' })).status?.nodes?.desired).toBe(3),
    );
  });

  test('another version takes over as the default, and its deletion gives the default back', async () => {
    const isDefault = async (image: string) =>
      (await client.get(osImages, { name: objectName(image) }))?.status?.defaultVersion;
    await createImage('base:v2');
    await distribute('base:v2', { activate: { newContainers: true } });
    await eventually(async () =>
      expect([await isDefault('base:v1'), await isDefault('base:v2')]).toEqual([false, true]),
    );
    await client.delete(imageDistributions, { name: 'base.v2' });
    await eventually(async () =>
      expect([await isDefault('base:v1'), await isDefault('base:v2')]).toEqual([true, false]),
    );
    await eventually(async () => expect(await told('n1')).not.toContain('base:v2'));
    await eventually(async () => expect(await labelsOf('n1')).not.toContainEqual(expect.stringContaining('base.v2')));
  });

  test('an image loses its label before its node is asked to drop it', async () => {
    await createImage('passing:v1');
    await distribute('passing:v1');
    await until(imageDistributions, 'passing.v1', { Ready: 'True/AllNodes' });
    await eventually(async () => {
      for (const name of nodeNames) expect(await labelsOf(name)).toContainEqual(expect.stringMatching(/^passing\.v1=/));
    });
    // Revisions count all changes of a cluster in their order.
    const lost = new Map<string, number>();
    const stop = new AbortController();
    const seeLoss = <T extends KubeObject>(resource: Resource<T>, has: (object: T) => boolean) => {
      const reflector = new Reflector({ name: resource.plural, source: client.listWatcher(resource), logger });
      reflector.store.subscribe((key, before, now) => {
        if (before && now && has(before) && !has(now))
          lost.set(`${resource.kind} ${key}`, Number(now.metadata.resourceVersion));
      });
      return { synced: reflector.synced(patience()), running: reflector.run(stop.signal) };
    };
    const watches = [
      seeLoss(nodes, ({ metadata }) => metadata.labels?.['image.monoroot.dev/passing.v1'] !== undefined),
      seeLoss(nodeStores, ({ spec }) => spec.images.some((it) => it.os === 'passing')),
    ];
    await Promise.all(watches.map(({ synced }) => synced));
    await client.delete(imageDistributions, { name: 'passing.v1' });
    await eventually(() => expect(lost.size).toBe(2 * nodeNames.length));
    stop.abort();
    await Promise.all(watches.map(({ running }) => running));
    for (const name of nodeNames) {
      expect(lost.get(`Node ${name}`)).toBeLessThan(lost.get(`NodeStore ${name}`) ?? 0);
    }
  });
});

describe('an edited distribution', () => {
  const edit = (image: string, spec: object = {}) =>
    client.mergePatch(imageDistributions, { name: 'fleet' }, { spec: { image, ...spec } });
  /** What the nodes are asked to store of this OS, in parentheses when it is only retained. */
  const kept = async (node: string) =>
    (await client.get(nodeStores, { name: node }))?.spec.images
      .filter(({ os }) => os === 'fleet')
      .map(({ version, retained }) => (retained ? `(${version})` : version));
  const everywhere = (...expected: string[]) =>
    eventually(async () => {
      for (const node of nodeNames) expect(await kept(node)).toEqual(expected);
    });

  test('keeps the images before as a way back, and no more of them than it is asked to', async () => {
    for (const version of ['v1', 'v2', 'v3', 'v4']) await createImage(`fleet:${version}`);
    await client.create(imageDistributions, { metadata: { name: 'fleet' }, spec: { image: 'fleet:v1' } } as never);
    for (const expected of [['v1'], ['(v1)', 'v2'], ['(v1)', '(v2)', 'v3']]) {
      await edit(`fleet:${expected.at(-1) ?? ''}`);
      await everywhere(...expected);
      await until(imageDistributions, 'fleet', { Ready: 'True/AllNodes' });
    }
    await edit('fleet:v4', { retainVersions: 1 });
    await everywhere('(v3)', 'v4');
    const done = await until(imageDistributions, 'fleet', { Ready: 'True/AllNodes' });
    expect(done.status).toMatchObject({ image: 'fleet:v4', previousImages: ['fleet:v3', 'fleet:v2', 'fleet:v1'] });
    await eventually(async () =>
      expect((await labelsOf('n1')).filter((label) => label.startsWith('fleet.'))).toEqual([
        expect.stringMatching(/^fleet\.v3=/),
        expect.stringMatching(/^fleet\.v4=/),
      ]),
    );
  });

  test('forgets what a node has given up, and goes back at once where it was kept', async () => {
    evictions.add('n2 fleet:v3');
    await eventually(async () => expect([await kept('n1'), await kept('n2')]).toEqual([['(v3)', 'v4'], ['v4']]));
    expect((await labelsOf('n2')).filter((label) => label.startsWith('fleet.'))).toEqual([
      expect.stringMatching(/^fleet\.v4=/),
    ]);

    states.set('n2 fleet:v3', 'Fetching');
    await edit('fleet:v3');
    await eventually(async () => {
      const back = await until(imageDistributions, 'fleet', { Distributed: 'False/InProgress' }, 1);
      expect(back.status?.nodes).toEqual({ desired: 3, ready: 2, active: 1, failed: 0, unreachable: 0 });
    });
    states.clear();
    await everywhere('v3', '(v4)');
    await until(imageDistributions, 'fleet', { Ready: 'True/AllNodes' });
  });

  test('takes all of it off the nodes when it is deleted', async () => {
    await client.delete(imageDistributions, { name: 'fleet' });
    await everywhere();
  });
});

describe('nodes', () => {
  test('lose an image label that somebody else has set, and keep their own', async () => {
    const before = await labelsOf('n1');
    const forged = { 'image.monoroot.dev/forged.v1': 'abc', 'running.monoroot.dev/forged': 'abc', pool: 'mine' };
    await client.mergePatch(nodes, { name: 'n1' }, { metadata: { labels: forged } }, { fieldManager: 'kubectl' });
    await eventually(async () => {
      const { labels = {} } = (await client.get(nodes, { name: 'n1' }))?.metadata ?? {};
      expect(Object.keys(labels).filter((key) => key.endsWith('forged.v1') || key.endsWith('forged'))).toEqual([]);
      expect(labels['pool']).toBe('mine');
    });
    expect(await labelsOf('n1')).toEqual(before);
  });

  const away = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };
  const taint = (name: string, ...taints: object[]) => client.mergePatch(nodes, { name }, { spec: { taints } });

  test('that do not answer keep no other one waiting, and get the image when they are back', async () => {
    states.set('n1 slow:v1', 'Fetching');
    await createImage('slow:v1');
    await distribute('slow:v1', { parallelism: 1 });
    await eventually(async () => expect(await told('n1')).toContain('slow:v1'));
    expect([...((await told('n2')) ?? []), ...((await told('n3')) ?? [])]).not.toContain('slow:v1');

    await taint('n1', away);
    const others = await until(imageDistributions, 'slow.v1', { Distributed: 'False/NodesUnreachable' });
    expect(others.status?.nodes).toEqual({ desired: 3, ready: 2, active: 0, failed: 0, unreachable: 1 });

    states.clear();
    await taint('n1');
    await until(imageDistributions, 'slow.v1', { Ready: 'True/AllNodes' });
    await client.delete(imageDistributions, { name: 'slow.v1' });
  });

  test('tell how many bytes have come, and how many an image takes', async () => {
    states.set('n1 large:v1', 'Fetching').set('n2 large:v1', 'Fetching').set('n3 large:v1', 'Fetching');
    reports.set('large:v1', { downloadedBytes: 10, totalBytes: 30 });
    await createImage('large:v1');
    await distribute('large:v1');
    // The progress that was reported first may be that of the first node alone; it is reported again after ten seconds.
    const progress = await eventually(async () => {
      const found = (await client.get(imageDistributions, { name: 'large.v1' }))?.status?.progress;
      expect(found).toMatchObject({ downloadedBytes: 30, totalBytes: 90 });
      return found;
    });
    expect(Date.parse(progress?.time ?? '')).toBeGreaterThan(0);

    // The word of one node is not enough.
    states.delete('n1 large:v1');
    states.delete('n2 large:v1');
    reports.set('large:v1', { unpackedBytes: 70 });
    await eventually(async () => {
      const images = (await client.get(nodeStores, { name: 'n3' }))?.spec.images;
      expect(images?.find(({ os }) => os === 'large')?.unpackedBytes).toBe(70);
    });
    states.clear();
    const done = await until(imageDistributions, 'large.v1', { Ready: 'True/AllNodes' });
    expect(done.status?.progress).toBeUndefined();
    await client.delete(imageDistributions, { name: 'large.v1' });
  });
});
