import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, stored } from '../../../test/fixtures/builders.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { now, storesIn, plan, condition, all } from '../../../test/fixtures/distribution.ts';
import type { State } from '../../../test/fixtures/distribution.ts';

describe('counts', () => {
  test.each<[State[], object]>([
    [['Ready', 'Fetching', 'Failed', 'none'], { desired: 4, ready: 1, active: 1, failed: 1, unreachable: 0 }],
    [['Pending', 'asked', 'Deleting'], { desired: 3, ready: 0, active: 3, failed: 0, unreachable: 0 }],
    [[], { desired: 0, ready: 0, active: 0, failed: 0, unreachable: 0 }],
  ])('%j', (states, nodes) => {
    expect(plan({ states }).nodes).toEqual(nodes);
  });

  test('at most 20 failed nodes are named, all are counted', () => {
    const status = plan({ states: Array<State>(30).fill('Failed') });
    expect(status.nodes?.failed).toBe(30);
    expect(status.failedNodes).toHaveLength(20);
    expect(status.failedNodes?.[0]).toEqual({ node: 'n1', reason: 'NoSpace', message: 'disk is full' });
  });

  test('a node that recovered is named no more', () => {
    const failed = plan({ states: ['Failed'] });
    expect(plan({ states: ['Ready'], distribution: distribution('os:v1', {}, failed) }).failedNodes).toEqual([]);
  });

  test('an image that does not exist has no nodes', () => {
    expect(plan({ image: undefined }).nodes).toEqual({ desired: 0, ready: 0, active: 0, failed: 0, unreachable: 0 });
  });
});

describe('nodes that do not answer', () => {
  const away = (name: string) =>
    node(name, [], { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] });

  test('are counted for themselves, and named when nothing else is missing', () => {
    const status = plan({ states: ['Ready', 'Fetching'], nodes: [node('n1'), away('n2')] });
    expect(status.nodes).toEqual({ desired: 2, ready: 1, active: 0, failed: 0, unreachable: 1 });
    expect(all(status)).toMatchObject({ Distributed: 'False/NodesUnreachable', Reconciling: 'True/NodesUnreachable' });
    expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
      '1 of 2 nodes have it; 1 do not answer, such as n2: they get it when they are back; delete Nodes that are gone for good',
    );
  });

  test('are reported while others are on their way', () => {
    const status = plan({ states: ['Fetching', 'none'], nodes: [node('n1'), away('n2')] });
    expect(condition(status, 'Distributed')).toBe('False/InProgress');
    expect(findCondition(status.conditions, 'Distributed')?.message).toBe(
      '0 of 2 nodes have it; 1 do not answer, such as n2',
    );
  });

  test('and have it all the same are nodes that have it', () => {
    expect(condition(plan({ nodes: [node('n1'), away('n2')] }), 'Distributed')).toBe('True/AllNodes');
  });
});

describe('what an agent says of an earlier generation', () => {
  const lagging = () => {
    const stores = storesIn('Ready', 'Ready');
    const { metadata, ...store } = stores.get('n2') ?? nodeStore('n2', []);
    return stores.set('n2', { ...store, metadata: { ...metadata, generation: 2 } });
  };

  test('is no proof that it has the image now', () => {
    const status = plan({ stores: lagging() });
    expect(status.nodes).toMatchObject({ ready: 1, active: 1 });
    expect(condition(status, 'Distributed')).toBe('False/InProgress');
  });

  test('is enough once all had it: something else is changed there', () => {
    const done = plan();
    expect(condition(plan({ distribution: distribution('os:v1', {}, done), stores: lagging() }), 'Distributed')).toBe(
      'True/AllNodes',
    );
    const edited = { ...distribution('os:v1', {}, done), metadata: { name: 'os-v1', generation: 2 } };
    expect(condition(plan({ distribution: edited, stores: lagging() }), 'Distributed')).toBe('False/InProgress');
  });
});

describe('progress', () => {
  const downloading = (...bytes: [number, number?][]) =>
    new Map(
      bytes.map(([downloadedBytes, totalBytes], i) => {
        const image = stored('os:v1', 'Fetching', { downloadedBytes, ...(totalBytes !== undefined && { totalBytes }) });
        return [`n${i + 1}`, nodeStore(`n${i + 1}`, ['os:v1'], [image])];
      }),
    );
  const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const at = (date: Date) => ({ time: date.toISOString() });
  const first = plan({ stores: downloading([1, 10], [2, 10]) });
  const later = (seconds: number, stores: Map<string, NodeStore>) =>
    plan({ distribution: distribution('os:v1', {}, first), stores, now: after(seconds) }).progress;

  test('is that of the nodes that are downloading, together', () => {
    expect(first.progress).toEqual({ downloadedBytes: 3, totalBytes: 20, ...at(now) });
    expect(plan({ states: ['Ready', 'asked', 'Failed'] }).progress).toBeUndefined();
  });

  test('has a total only where all servers tell', () => {
    expect(plan({ stores: downloading([1, 10], [2]) }).progress).toEqual({ downloadedBytes: 3, ...at(now) });
  });

  test('changes every ten seconds at most, and not at all when nothing comes', () => {
    expect(later(9, downloading([5, 10], [5, 10]))).toEqual(first.progress);
    expect(later(10, downloading([5, 10], [5, 10]))).toEqual({ downloadedBytes: 10, totalBytes: 20, ...at(after(10)) });
    expect(later(60, downloading([1, 10], [2, 10]))).toEqual(first.progress);
  });

  test('ends at once', () => expect(later(1, storesIn('Ready', 'Ready'))).toBeUndefined());
});
