import { describe, expect, test } from 'vitest';
import { node, nodeStore } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Node, OwnerReference } from '../../api/kubernetes/objects.ts';
import type { NodePlan } from './observed.ts';
import { ownershipOf, writesFor } from './writes.ts';

const nodeOf = (uid: string, labels: Record<string, string> = {}): Node => {
  const made = node('n1');
  const metadata = { ...made.metadata, uid, resourceVersion: '7', labels: { ...made.metadata.labels, ...labels } };
  return asCached({ now: 0, node: { ...made, metadata } }).node;
};
const ownerOf = (uid: string, kind = 'Node'): OwnerReference => ({ apiVersion: 'v1', kind, name: 'n1', uid });
const storeOf = (desired: readonly string[], ...ownerReferences: OwnerReference[]): NodeStore => {
  const store = nodeStore('n1', desired);
  const metadata = { ...store.metadata, uid: 'store', generation: 4, resourceVersion: '9', ownerReferences };
  return asCached({ now: 0, store: { ...store, metadata } }).store;
};
const image = 'image.monoroot.dev/os.v1';

const planOf = (desired: readonly string[], labels: Record<string, string> = {}): NodePlan => ({
  node: nodeOf('n1-uid'),
  images: nodeStore('n1', desired).spec.images,
  labels,
  cut: [],
  done: true,
});

test('a node that is as planned needs no write', () => {
  const store = storeOf(['os:v1'], ownerOf('n1-uid'));
  expect(writesFor(planOf(['os:v1'], { [image]: 'abc' }), nodeOf('n1-uid', { [image]: 'abc' }), store)).toEqual([]);
});

test('a new node gets a NodeStore that is its own, and that overwrites none', () => {
  const writes = writesFor(planOf(['os:v1']), nodeOf('n1-uid'), undefined);
  expect(writes).toEqual([{ type: 'CreateStore', ownerReferences: [ownerOf('n1-uid')] }]);
});

test('what a node is asked for replaces the whole list, of this object and this generation only', () => {
  const writes = writesFor(planOf(['os:v2']), nodeOf('n1-uid'), storeOf(['os:v1'], ownerOf('n1-uid')));
  expect(writes).toEqual([
    {
      type: 'ReplaceImages',
      operations: [
        { op: 'test', path: '/metadata/uid', value: 'store' },
        { op: 'test', path: '/metadata/generation', value: 4 },
        { op: 'add', path: '/spec', value: { images: planOf(['os:v2']).images } },
      ],
    },
  ]);
});

test('an entry of somebody else is taken out by the next write, also when it differs in one field only', () => {
  const store = storeOf(['os:v1'], ownerOf('n1-uid'));
  const [entry] = store.spec.images;
  const foreign = { ...store, spec: { images: entry ? [{ ...entry, bytesPerSecond: 5000 }] : [] } };
  expect(writesFor(planOf(['os:v1']), nodeOf('n1-uid'), foreign).map(({ type }) => type)).toEqual(['ReplaceImages']);
});

test('labels come first, in the revision of the node that was seen, and take what others set along', () => {
  const latest = nodeOf('n1-uid', { [image]: 'old', 'running.monoroot.dev/x': 'y', pool: 'mine' });
  const writes = writesFor(planOf(['os:v2'], { [image]: 'new' }), latest, storeOf(['os:v1'], ownerOf('n1-uid')));
  expect(writes.map(({ type }) => type)).toEqual(['PatchLabels', 'ReplaceImages']);
  expect(writes[0]).toMatchObject({
    patch: {
      metadata: {
        uid: 'n1-uid',
        resourceVersion: '7',
        labels: { [image]: 'new', 'running.monoroot.dev/x': null },
      },
    },
  });
});

test('a NodeStore without an owner gets one, in the revision that was seen, and keeps its other owners', () => {
  const other = ownerOf('config-uid', 'ConfigMap');
  expect(writesFor(planOf(['os:v1']), nodeOf('n1-uid'), storeOf(['os:v1'], other))).toEqual([
    {
      type: 'AdoptStore',
      patch: {
        metadata: { uid: 'store', resourceVersion: '9', ownerReferences: [other, ownerOf('n1-uid')] },
      },
    },
  ]);
});

describe('a node that was deleted and came back under its name', () => {
  const former = storeOf(['os:v1'], ownerOf('earlier-uid'));

  test.each<[string, NodeStore, string]>([
    ['its own', storeOf([], ownerOf('n1-uid')), 'Own'],
    ['that of the earlier node', former, 'Former'],
    ['one that was made by hand', storeOf([]), 'Nobody'],
    ['one with both owners', storeOf([], ownerOf('earlier-uid'), ownerOf('n1-uid')), 'Own'],
  ])('knows whose NodeStore it is: %s', (_name, store, expected) =>
    expect(ownershipOf(store, nodeOf('n1-uid'))).toBe(expected),
  );

  test('is not told by the NodeStore of the earlier one, but loses the labels that its plan has not', () => {
    const writes = writesFor(planOf(['os:v2']), nodeOf('n1-uid', { [image]: 'abc' }), former);
    expect(writes.map(({ type }) => type)).toEqual(['PatchLabels']);
  });
});
