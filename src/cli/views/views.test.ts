import { expect, test } from 'vitest';
import { container, distribution, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { Scene } from '../scene/scene.ts';
import { table } from '../terminal.ts';
import { historyRows, timeline } from './history.ts';
import { imageRows } from './images.ts';
import { nodeRows } from './nodes.ts';
import { treeLines } from './tree.ts';

const now = new Date('2026-01-01T12:00:00Z');
const mib = 2 ** 20;
const ready = (type: string, reason: string) => ({
  type,
  status: 'True' as const,
  reason,
  message: '',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});
const named = (name: string, status: HostedContainer['status']): HostedContainer => {
  const it = container({ image: 'os' }, status);
  return { ...it, metadata: { ...it.metadata, name } };
};
const scene: Scene = {
  osImages: [osImage('os:2'), osImage('os:10', { ready: false })],
  distributions: [distribution('os:2')],
  nodeStores: [
    nodeStore(
      'n1',
      ['os:2', 'os:10'],
      [
        stored('os:2', 'Ready', { unpackedBytes: 100 * mib, sharedBytes: 40 * mib }),
        stored('os:10', 'Failed', { reason: 'NoSpace', message: 'It needs room; free space' }),
      ],
    ),
  ],
  containers: ['a', 'b', 'c', 'd', 'e'].map((name) =>
    named(name, { image: 'os:2', conditions: [ready('Ready', 'Running')] }),
  ),
  unseen: [],
};

test('images: by number, with size, what is shared, nodes, containers and state', () => {
  expect(table(imageRows(scene, false))).toEqual([
    'IMAGE  SIZE     SHARED  NODES   CONTAINERS  STATE',
    'os:2   100 MiB  40 MiB  1 kept  5           ready',
    'os:10  -        -       -       0           NotDistributed',
  ]);
});

test('nodes: images and disk, and with wide what is not ready', () => {
  expect(table(nodeRows(scene.nodeStores, true))).toEqual([
    'NODE  IMAGES  USED  FREE  DISK  STATE   NOT READY',
    'n1    1/2     -     -     -     silent  os:10 Failed NoSpace: It needs room; free space',
  ]);
});

test('tree: equal containers are one line', () => {
  expect(treeLines(scene, undefined, now)).toEqual([
    'os',
    '├─ imagedistribution/os-2 (os:2): 0 of 0 nodes have it; the operator has not seen the last change yet',
    '├─ osimage/os.2',
    '│  ├─ on 1 node: n1',
    '│  └─ 5 containers Running: shop/a, shop/b, shop/c and 2 more',
    '└─ osimage/os.10 (NotDistributed)',
    '   └─ on no node',
  ]);
  expect(treeLines(scene, 'other', now)).toEqual([]);
});

const digest = `sha256:${'0'.repeat(64)}`;
const ran: HostedContainer['status'] = {
  failedImages: [
    { image: 'os:3', digest, fingerprint: 'f', reason: 'CrashLooping', message: 'it\nexited', time: '2026-01-01T11:00:01Z', attempts: 1 }, // prettier-ignore
  ],
  history: [
    { image: 'os:3', digest, startTime: '2026-01-01T11:00:00Z', endTime: '2026-01-01T11:00:01Z', outcome: 'Reverted' },
    { image: 'os:2', digest, startTime: '2026-01-01T08:00:00Z', outcome: 'Succeeded' },
    { image: 'os:1', digest, startTime: '2026-01-01T00:00:00Z', endTime: '2026-01-01T08:00:00Z', outcome: 'Succeeded' },
  ],
};

test('history of one: what ran when, and why it failed', () => {
  expect(table(historyRows(named('a', ran)))).toEqual([
    'IMAGE  FROM               TO                 OUTCOME',
    'os:3   2026-01-01 11:00Z  2026-01-01 11:00Z  Reverted   CrashLooping: it exited',
    'os:2   2026-01-01 08:00Z  now                Succeeded',
    'os:1   2026-01-01 00:00Z  2026-01-01 08:00Z  Succeeded',
  ]);
});

test('history of all: a letter for each version, a small one where it failed, however short', () => {
  const lines = timeline([named('a', ran)], 'os', now);
  expect(lines[1]).toBe(`shop/a  ${'A'.repeat(40)}${'B'.repeat(15)}c${'B'.repeat(4)}`);
  expect(lines.slice(2)).toEqual(['', 'A  os:1', 'B  os:2', 'C  os:3']);
  expect(timeline([], 'os', now)).toEqual([]);
});
