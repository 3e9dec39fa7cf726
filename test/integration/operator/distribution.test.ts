import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { imageDistributions, nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { nodes } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { Reflector } from '../../../src/runtime/reflector.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { logger } from '../environment.ts';
import { eventually } from '../eventually.ts';
import { nodeNames, objectName, openStage } from './stage.ts';

const stage = await openStage();
const { client, states, createNode, createImage, distribute, until, told, labelsOf } = stage;
afterEach(() => stage.reset());
afterAll(() => stage.close());

describe('from an image to a default version', () => {
  test('nodes are told one after the other, are labelled when they have it, and then it is the default', async () => {
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

  test('an image loses its label before its node is told to drop it', async () => {
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
      return { synced: reflector.synced(AbortSignal.timeout(20_000)), running: reflector.run(stop.signal) };
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
