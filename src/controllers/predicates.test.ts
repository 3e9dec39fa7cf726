import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../test/fixtures/builders.ts';
import type { NodeStore } from '../api/nodestore.ts';
import {
  changedImages,
  changedLabels,
  distributionChanged,
  imageChanged,
  placementChanged,
  selectionChanged,
  withoutProgress,
} from './predicates.ts';

const fetching = (downloadedBytes: number, other: Parameters<typeof stored>[1] = 'Ready') =>
  nodeStore(
    'n1',
    ['os:v1', 'os:v2', 'os:v3'],
    [stored('os:v1', 'Fetching', { downloadedBytes, totalBytes: 9 }), stored('os:v2', other), stored('os:v3', 'Ready')],
  );
const at = (store: NodeStore, generation: number, observedGeneration: number): NodeStore => ({
  ...store,
  metadata: { ...store.metadata, generation },
  status: { ...store.status, observedGeneration },
});

describe('the images that a change of a NodeStore concerns', () => {
  test.each<[string, NodeStore, NodeStore | undefined, string[], string[]]>([
    ['none that stays as it is', fetching(1), fetching(1), [], []],
    ['that of which more bytes have come, for who counts them', fetching(1), fetching(2), ['os.v1'], []],
    ['that whose state is another', fetching(1), fetching(1, 'Failed'), ['os.v2'], ['os.v2']],
    [
      'all when the agent has seen another generation',
      at(fetching(1), 2, 1),
      at(fetching(1), 2, 2),
      ['os.v1', 'os.v2', 'os.v3'],
      ['os.v1', 'os.v2', 'os.v3'],
    ],
    ['all of a new one', fetching(1), undefined, ['os.v1', 'os.v2', 'os.v3'], ['os.v1', 'os.v2', 'os.v3']],
    [
      'one that it is asked for in another way',
      nodeStore('n1', ['os:v1', 'os:v2']),
      { ...nodeStore('n1', ['os:v1', 'os:v2']), spec: { images: nodeStore('n1', ['os:v1']).spec.images } },
      ['os.v2'],
      ['os.v2'],
    ],
  ])('are %s', (_name, store, other, withBytes, without) => {
    expect([...new Set(changedImages(store, other))]).toEqual(withBytes);
    expect([...new Set(changedImages(store, other, withoutProgress))]).toEqual(without);
  });

  test('are few in a fleet of a thousand nodes, each of which tells of its download', () => {
    const all = Array.from({ length: 100 }, (_, i) => `os:v${i}`);
    const saying = (downloadedBytes: number) =>
      nodeStore('n1', all, all.map((it) => stored(it, it === 'os:v7' ? 'Fetching' : 'Ready', it === 'os:v7' ? { downloadedBytes } : {}))); // prettier-ignore
    expect(changedImages(saying(1), saying(2), withoutProgress)).toEqual([]);
    expect(changedImages(saying(1), saying(2))).toEqual(['os.v7']);
  });
});

describe('a node', () => {
  test('that gets an image concerns that image alone', () => {
    const [before, after] = [node('n1', ['os:v1']), node('n1', ['os:v1', 'os:v2'])];
    expect([selectionChanged(before, after), placementChanged(before, after)]).toEqual([false, true]);
    expect([changedLabels(before, after), changedLabels(after, before)]).toEqual([[], ['os.v2']]);
    expect(changedLabels(after, undefined)).toEqual(['os.v1', 'os.v2']);
  });

  test.each([
    ['another label', node('n1', [], {}, { pool: 'a' })],
    ['a taint', node('n1', [], { taints: [{ key: 'k', effect: 'NoSchedule' }] })],
    ['a cordon', node('n1', [], { unschedulable: true })],
  ])('with %s concerns all', (_name, after) => {
    expect([selectionChanged(node('n1'), after), placementChanged(node('n1'), after)]).toEqual([true, true]);
  });

  test('whose heartbeat comes concerns none', () => {
    expect([selectionChanged(node('n1'), node('n1')), placementChanged(node('n1'), node('n1'))]).toEqual([
      false,
      false,
    ]);
  });
});

describe('what nodes are asked for', () => {
  const image = osImage('os:v1');
  const withStatus = (status: object) => ({ ...image, status: { ...image.status, ...status } });

  test('does not change with how many nodes have an image, or what its conditions say', () => {
    expect(imageChanged(image, withStatus({ nodes: { ready: 1, desired: 2 }, conditions: [] }))).toBe(false);
  });

  test('changes with its test, its bytes and its specification', () => {
    expect(imageChanged(image, withStatus({ verification: { node: 'n1', outcome: 'Passed' } }))).toBe(true);
    expect(imageChanged(image, withStatus({ digest: `sha256:${'1'.repeat(64)}` }))).toBe(true);
    expect(imageChanged(image, { ...image, spec: { ...image.spec, mountScript: 'true' } })).toBe(true);
  });

  test('does not change with how far a rollout is, and does with the default version', () => {
    const counts = { following: 1, updated: 1, updating: 0, reverted: 0, unavailable: 0 };
    expect(distributionChanged(distribution('os:v1'), distribution('os:v1', {}, { containers: counts }))).toBe(false);
    expect(distributionChanged(distribution('os:v1'), distribution('os:v1', {}, { activeImage: 'os:v1' }))).toBe(true);
  });
});
