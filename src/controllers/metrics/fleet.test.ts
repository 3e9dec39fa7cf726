import { expect, test } from 'vitest';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { families } from './fleet.ts';
import type { FleetObjects } from './fleet.ts';

const time = '2026-11-01T00:00:00Z';
const condition = (type: string, status: string, reason: string) => ({
  type,
  status,
  reason,
  message: '',
  lastTransitionTime: time,
});
const container = (name: string, status: object, spec: object = {}) =>
  ({
    kind: 'HostedContainer',
    metadata: { name, namespace: 'shops' },
    spec: { image: 'os:v1', ...spec },
    status,
  }) as unknown as HostedContainer;

const distribution = {
  kind: 'ImageDistribution',
  metadata: { name: 'os' },
  spec: {
    image: 'os:v2',
    activate: { existingContainers: { maxUnavailable: '25%', canary: { soakSeconds: 600 }, waveSoakSeconds: 60 } },
  },
  status: {
    conditions: [condition('RolledOut', 'False', 'RollingOut')],
    nodes: { desired: 3, ready: 2, active: 1, failed: 0 },
    containers: { following: 10, updated: 1, updating: 1, reverted: 0, unavailable: 1 },
    rollout: {
      image: 'os:v2',
      startTime: time,
      wave: 0,
      soakStartTime: '2026-11-01T00:01:00Z',
      estimatedCompletionTime: '2026-11-01T01:00:00Z',
      gates: [{ name: 'errors', holds: false, failures: 1, time }],
    },
  },
} as unknown as ImageDistribution;

const fleet: FleetObjects = {
  images: [
    { spec: { os: 'os', version: 'v1' }, status: { conditions: [condition('Ready', 'True', 'Stored')] } },
    {
      spec: { os: 'os', version: 'v3' },
      status: {
        conditions: [
          condition('Ready', 'True', 'Stored'),
          condition('Condemned', 'True', 'RolloutHalted'),
          condition('Stalled', 'True', 'RolloutHalted'),
        ],
      },
    },
  ] as unknown as OSImage[],
  distributions: [distribution],
  containers: [
    container('a', { image: 'os:v1', conditions: [condition('Ready', 'True', 'Running')] }),
    container('b', { image: 'os:v1', conditions: [condition('Ready', 'True', 'Running')] }),
    container('c', {
      image: 'os:v1',
      targetImage: 'os:v2',
      assignedImage: 'os:v2',
      assignedTime: '2026-11-01T00:05:00Z',
      conditions: [condition('Ready', 'False', 'Starting')],
    }),
    container('d', { conditions: [condition('Ready', 'True', 'Suspended')] }),
    container('e', {
      image: 'os:v2',
      conditions: [condition('Ready', 'False', 'CrashLooping'), condition('Stalled', 'True', 'CrashLooping')],
    }),
    container('new', {}, { image: 'os' }),
  ],
  stores: [{ status: { conditions: [condition('Ready', 'True', 'Ready')] } }, { status: {} }] as unknown as NodeStore[],
};

const start = Date.parse(time) / 1000;

test.each([
  ['monoroot_objects_stalled', { 'OSImage RolloutHalted': 1, 'HostedContainer CrashLooping': 1 }],
  [
    'monoroot_containers',
    { 'os v1 Running': 2, 'os v1 Updating': 1, 'os v1 Suspended': 1, 'os v2 NotReady': 1, 'os  NotReady': 1 },
  ],
  ['monoroot_rollout_state', { 'os RollingOut': 1 }],
  [
    'monoroot_rollout_containers',
    { 'os following': 10, 'os updated': 1, 'os updating': 1, 'os reverted': 0, 'os unavailable': 1 },
  ],
  ['monoroot_rollout_unavailable_limit', { os: 2 }],
  ['monoroot_rollout_wave', { os: 0 }],
  ['monoroot_rollout_soak_end_timestamp_seconds', { os: start + 660 }],
  ['monoroot_rollout_last_progress_timestamp_seconds', { os: start + 300 }],
  ['monoroot_rollout_estimated_completion_timestamp_seconds', { 'os os:v2': start + 3600 }],
  ['monoroot_rollout_gate_holds', { 'os errors': 0 }],
  ['monoroot_image_nodes', { 'os desired': 3, 'os ready': 2, 'os active': 1, 'os failed': 0 }],
  ['monoroot_image_condemned', { 'os v3': 1 }],
  ['monoroot_images', { 'os Stored': 2 }],
  ['monoroot_nodestores', { True: 1, Unknown: 1 }],
])('%s says what the fleet is like', (name, series) => {
  const family = families.find((it) => it.name === name);
  const samples = family?.samples(fleet) ?? [];
  expect(Object.fromEntries(samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]))).toEqual(
    series,
  );
  for (const { labels } of samples) expect(Object.keys(labels)).toEqual(family?.labels);
});

test('every family has a test, and a fleet without anything has no series', () => {
  const empty: FleetObjects = { images: [], distributions: [], containers: [], stores: [] };
  for (const { samples } of families) expect(samples(empty)).toEqual([]);
  expect(families).toHaveLength(14);
});
