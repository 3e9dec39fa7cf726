import { expect, test } from 'vitest';
import { fleet, labelsOf } from '../../../test/fixtures/fleet-plan.ts';
import { nodeStore } from '../../../test/fixtures/builders.ts';
import type { NodeStoreStatus } from '../../api/nodestore.ts';
import type { ContainerStatus, Pod } from '../../api/kubernetes/objects.ts';

const labelled = { 'monoroot.dev/direct-mounts': 'true' };
const labelsWith = (status: Partial<NodeStoreStatus>, ...pods: Pod[]) => {
  const store = nodeStore('n1', []);
  return labelsOf(
    fleet({ stores: [{ ...store, status: { ...store.status, ...status } }], pods: new Map([['n1', pods]]) }),
  );
};

test('a node whose plugin answers is labelled for direct mounts, and no longer when it does not', () => {
  expect(labelsWith({ directMounts: true })).toEqual(labelled);
  expect(labelsWith({})).toEqual({});
});

const terminated = (time: string, message = 'monoroot: NoMounts: the node plugin did not answer') => ({
  terminated: { exitCode: 125, message, finishedAt: `2026-01-01T12:00:${time}Z` },
});
const pod = (
  status: Partial<ContainerStatus>,
  labels: Record<string, string> = { 'monoroot.dev/mounts': 'Direct' },
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', uid: 'u1', labels },
  spec: { nodeName: 'n1', restartPolicy: 'Always', containers: [], volumes: [] },
  status: { phase: 'Running', containerStatuses: [{ name: 'main', ready: false, restartCount: 0, ...status }] },
});

/** The agent may be away as well: then its report stays as it was. */
test.each<[string, boolean, Pod]>([
  ['was made without its mounts since then', false, pod({ state: terminated('31') })],
  ['waits after that', false, pod({ state: { waiting: {} }, lastState: terminated('31') })],
  ['was made without them before', true, pod({ state: terminated('29') })],
  ['was made without them in the same second', true, pod({ state: terminated('30') })],
  ['was, and runs, perhaps for a moment', false, pod({ state: { running: {} }, lastState: terminated('31') })],
  ['ended for another reason', true, pod({ state: terminated('31', 'out of memory') })],
  ['only says so, without direct mounts', true, pod({ state: terminated('31') }, {})],
])('a plugin that answers since a time, and a container that %s', (_name, has, of) => {
  const status = { directMounts: true, directMountsTime: '2026-01-01T12:00:30.500Z' };
  expect(labelsWith(status, of)).toEqual(has ? labelled : {});
});
