import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import { imageName } from '../../api/images.ts';
import { currentImageLabels } from './labels.ts';
import type { Fleet } from './observed.ts';
import { planFleet, labelOf, runs, fleet, desired, labelsOf } from '../../../test/fixtures/fleet-plan.ts';

describe('limits and sizes', () => {
  const entryOf = (f: Fleet, name = 'n1') => planFleet(f).find((it) => it.node.metadata.name === name)?.images[0];
  const nodes = [node('n1', [], {}, { pool: 'a' }), node('n2', [], {}, { pool: 'b' })];

  test('are those of the distribution that selects the node', () => {
    const of = (pool: string, timeoutSeconds: number) => {
      const it = distribution('os:v1', {
        selector: { matchLabels: { pool } },
        download: { timeoutSeconds, backoffLimit: 1 },
      });
      return { ...it, metadata: { ...it.metadata, name: pool } };
    };
    const both = [of('a', 10), of('b', 20)];
    for (const distributions of [both, [...both].reverse()]) {
      const f = fleet({ nodes, distributions });
      expect([entryOf(f)?.timeoutSeconds, entryOf(f, 'n2')?.timeoutSeconds]).toEqual([10, 20]);
    }
  });

  const distributions = [distribution('os:v1')];
  const has = (unpackedBytes: number, extra: Partial<StoredImage> = {}) =>
    nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { unpackedBytes, ...extra })]);

  const sizeOf = (stores: NodeStore[]) => entryOf(fleet({ nodes, stores, distributions }), 'n2')?.unpackedBytes;
  const alsoHas = (unpackedBytes: number, name = 'n3') => {
    const it = has(unpackedBytes);
    return { ...it, metadata: { ...it.metadata, name } };
  };

  test('a size that two nodes have reported is passed on to those that have the image not yet, of these the smaller', () => {
    const f = fleet({ nodes, stores: [has(7), alsoHas(8)], distributions });
    expect([entryOf(f)?.unpackedBytes, entryOf(f, 'n2')?.unpackedBytes]).toEqual([undefined, 7]);
  });

  test('one node that lies keeps the image from no other, whatever it says and when', () => {
    expect(sizeOf([has(2 ** 44)])).toBeUndefined();
    expect(sizeOf([has(2 ** 44), alsoHas(7)])).toBe(7);
    expect(sizeOf([has(2 ** 44), alsoHas(7), alsoHas(7, 'n4')])).toBe(7);
    expect(sizeOf([has(0), alsoHas(7), alsoHas(7, 'n4')])).toBe(7);
  });

  test('a size of other bytes is not', () => {
    const other = { digest: `sha256:${'0'.repeat(64)}` };
    const also = has(7, other);
    const stores = [has(7, other), { ...also, metadata: { ...also.metadata, name: 'n3' } }];
    expect(sizeOf(stores)).toBeUndefined();
  });

  test('a size is said once, and only lowered', () => {
    const told = nodeStore('n2', ['os:v1'], [stored('os:v1', 'Fetching')]);
    told.spec.images = told.spec.images.map((image) => ({ ...image, unpackedBytes: 7 }));
    expect(sizeOf([has(8), alsoHas(8), told])).toBe(7);
    expect(sizeOf([has(5), alsoHas(8), told])).toBe(5);
    expect(sizeOf([told])).toBe(7);
  });
});

describe('labels', () => {
  const { key, value } = labelOf('os:v1');
  const distributions = [distribution('os:v1')];
  const withStore = (...images: StoredImage[]) =>
    fleet({ distributions, stores: [nodeStore('n1', ['os:v1'], images)] });

  test('a node says of itself what it is asked to store and completely has', () => {
    expect(labelsOf(withStore(stored('os:v1', 'Ready')))).toEqual({ [key]: value });
  });

  test.each<StoredImage['state']>(['Pending', 'Fetching', 'Failed', 'Deleting'])(
    'an image that is %s has no label',
    (state) => {
      expect(labelsOf(withStore(stored('os:v1', state)))).toEqual({});
    },
  );

  test('other bytes under the same name have no label', () => {
    expect(labelsOf(withStore(stored('os:v1', 'Ready', { digest: `sha256:${'0'.repeat(64)}` })))).toEqual({});
  });

  test('an image that is not wanted any more loses its label while it is still there', () => {
    expect(labelsOf(fleet({ stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])] }))).toEqual({});
  });

  test('a node without a store has no label', () => {
    expect(labelsOf(fleet({ distributions }))).toEqual({});
  });

  test('a pinned image keeps its label', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])];
    expect(labelsOf(fleet({ stores, containers: [runs('n1', { lastKnownGoodImage: 'os:v1' })] }))).toEqual({
      [key]: value,
    });
  });

  test('those of a node are told from its other labels', () => {
    expect(currentImageLabels(node('n1', ['os:v1'], {}, { zone: 'a' }))).toEqual({ [key]: value });
    expect(currentImageLabels({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } })).toEqual({});
  });
});

describe('a node with more images than a NodeStore can hold', () => {
  const several = (count: number, prefix = 'v') =>
    Array.from({ length: count }, (_, i) => `os:${prefix}${String(i).padStart(3, '0')}`);
  const from = (versions: readonly string[], mountScript?: string) =>
    versions.map((name) => osImage(name, { spec: mountScript === undefined ? {} : { mountScript } }));
  const plan = (o: Parameters<typeof fleet>[0]) => {
    const [planned] = planFleet(fleet(o));
    return { images: planned?.images.map(imageName) ?? [], cut: planned?.cut.map(imageName) ?? [] };
  };

  test('keeps what is pinned, then what it holds already, and retained images go first', () => {
    const [distributed, kept, pinned] = [several(256), several(10, 'a'), several(20, 'z')];
    const images = from([...distributed, ...kept, ...pinned]);
    const store = nodeStore(
      'n1',
      distributed.slice(100),
      kept.map((name) => stored(name, 'Ready')),
    );
    const distributions = [
      ...distributed.map((name) => distribution(name)),
      distribution('os:new', { retainVersions: 10 }, { image: 'os:new', previousImages: kept }),
    ];
    const containers = pinned.map((image) => runs('n1', { image }));
    const { images: told, cut } = plan({ images, stores: [store], distributions, containers });
    expect(told).toHaveLength(256);
    expect(told).toEqual(expect.arrayContaining([...pinned, ...distributed.slice(100)]));
    expect(cut).toEqual(expect.arrayContaining(kept));
    expect(cut).toHaveLength(30);
  });

  test('has as many long mount scripts as etcd takes, the pinned ones first', () => {
    const [distributed, pinned] = [several(25), several(3, 'z')];
    const images = from([...distributed, ...pinned], '#'.repeat(65_536));
    const distributions = distributed.map((name) => distribution(name));
    const containers = pinned.map((image) => runs('n1', { image }));
    const { images: told, cut } = plan({ images, distributions, containers });
    expect(told).toEqual(expect.arrayContaining(pinned));
    expect([told.length, cut.length]).toEqual([12, 16]);
  });

  test('keeps no slot of a distribution that has no place there', () => {
    const full = several(256);
    const nodes = [node('n1'), node('n2')];
    const distributions = [...full.map((name) => distribution(name, { selector: { matchLabels: { 'kubernetes.io/hostname': 'n1' } } })), distribution('os:v1', { parallelism: 1 })]; // prettier-ignore
    const f = fleet({
      nodes,
      images: [osImage('os:v1'), ...from(full)],
      stores: [nodeStore('n1', full)],
      distributions,
    });
    expect(desired(f)['n1']).not.toContain('os:v1');
    expect(desired(f)['n2']).toEqual(['os:v1']);
  });
});
