import { describe, expect, test } from 'vitest';
import { node } from '../../../test/fixtures/builders.ts';
import { outcomes, reasons, versions, world } from '../../../test/fixtures/upgrading.ts';
import type { Behaviour, Crash, World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import type { Observed } from './observed.ts';
import { PodPatches } from './pod-patches.ts';

const plugin = { 'monoroot.dev/direct-mounts': 'true' };
const nodeWith = (images: readonly string[], name = 'node-1', labels: object = plugin) =>
  node(name, images, {}, labels);
const scaffold = `registry/scaffold:1@sha256:${'f'.repeat(64)}`;

/** A container with direct mounts that has become good on v1. */
function running(spec: Partial<HostedContainerSpec> = {}, behaviours: Record<string, Behaviour> = {}): World {
  const w = world({ mounts: 'Direct', ...spec }, behaviours);
  w.scaffolds = { merged: scaffold, split: scaffold };
  w.nodes = [nodeWith(versions)];
  w.settle();
  w.pass(15);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
  return w;
}
const upgrade = (spec: Partial<HostedContainerSpec['upgrade']>) => ({
  upgrade: { ...world().object.spec.upgrade, ...spec },
});
const kinds = (w: World) => w.actions.map(({ type }) => type);
const uid = (w: World) => w.pod?.metadata.uid;

describe('an upgrade in place', () => {
  test('patches the Pod that runs, and the new version becomes the last known good', () => {
    const w = running();
    const before = uid(w);
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(uid(w)).toBe(before);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2', restarts: 0 });
    expect(outcomes(w)).toEqual(['os:v2 Succeeded', 'os:v1 Succeeded']);
    expect(reasons(w)).toEqual(['StartBegan', 'Started', 'UpgradeStarted', 'UpgradeSucceeded']);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.pod?.metadata.labels?.['monoroot.dev/image']).toBe('os.v2');
    const { annotations = {} } = w.pod?.metadata ?? {};
    expect([annotations['monoroot.dev/mounts'], annotations['monoroot.dev/mounts-before']].map((it) => JSON.parse(it ?? '') as unknown)).toMatchObject([{ version: 'v2' }, { version: 'v1' }]); // prettier-ignore
  });

  test.each<[string, Partial<HostedContainerSpec>]>([
    ['another port', { image: 'os:v2', ports: [{ containerPort: 81, protocol: 'TCP' }] }],
    ['another variable', { image: 'os:v2', env: [{ name: 'A', value: '1' }] }],
    ['another command', { image: 'os:v2', command: ['/bin/other'] }],
    ['other resources', { image: 'os:v2', resources: { limits: { memory: '1Gi' } } }],
    ['another place', { image: 'os:v2', podTemplate: { automountServiceAccountToken: false, nodeSelector: { 'kubernetes.io/arch': 'amd64' } } }], // prettier-ignore
    ['another label', { image: 'os:v2', podTemplate: { automountServiceAccountToken: false, metadata: { labels: { a: 'b' } } } }], // prettier-ignore
    ['the other mode', { image: 'os:v2', mounts: 'HostPath' }],
    ['a restart of the same image', { restartToken: 'now' }],
    ['another size of an overlay on the same image', { writable: [{ path: '/var', size: '100Mi' }] }],
  ])('is a new Pod for %s, which no patch can give', (_name, change) => {
    const w = running();
    const before = uid(w);
    w.edit(change);
    w.pass(15);
    expect(uid(w)).not.toBe(before);
    expect(kinds(w)).toEqual(['CreatePod', 'DeletePod', 'CreatePod']);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('takes what is in the list of mounts along with the image', () => {
    const w = running();
    w.edit({ image: 'os:v2', writable: [{ path: '/var', size: '100Mi' }], timeZone: 'UTC' });
    w.edit({ timeZone: '' });
    w.pass(15);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
  });
});

describe('what the kubelet reports of the container before', () => {
  test('is not taken for the new one: neither image, readiness, restarts nor time', () => {
    const w = running({ ...upgrade({ minReadySeconds: 10, progressDeadlineSeconds: 30 }) });
    w.isSlow = true;
    w.edit({ image: 'os:v2' });
    w.pass(25);
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1', restarts: 0 });
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.condition('Upgraded')).toBe('Unknown/InProgress');
    expect(w.condition('Reconciling')).toBe('True/InProgress');
    w.isSlow = false;
    w.pass(8);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v1' });
    w.pass(5);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
  });

  test('does not count when it had crashed: the restarts of the new one do', () => {
    const w = running({ ...upgrade({ maxRestarts: 3 }) });
    w.behaviours.set('os:v1', 'crashes');
    w.pass(5);
    expect(w.object.status?.restarts).toBeGreaterThan(2);
    w.behaviours.set('os:v1', 'good');
    w.pass(1);
    w.behaviours.set('os:v2', 'crashes');
    w.edit({ image: 'os:v2' });
    w.settle();
    expect(w.object.status?.attempt?.exits ?? 0).toBeLessThan(3);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(3);
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v2', reason: 'CrashLooping' });
  });

  test('takes no time of the attempt, however long it takes to stop', () => {
    const w = running({ ...upgrade({ progressDeadlineSeconds: 30 }) });
    w.isSlow = true;
    w.edit({ image: 'os:v2' });
    w.pass(600, 20);
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
    expect(w.object.status?.attempt).toBeUndefined();
    w.isSlow = false;
    w.pass(15);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
  });

  test('costs one write of the status until the container is restarted', () => {
    const w = running();
    w.isSlow = true;
    const before = w.statusWrites;
    w.edit({ image: 'os:v2' });
    w.pass(20);
    expect(w.statusWrites - before).toBe(1);
  });

  test('keeps a second upgrade waiting until the first has restarted the container', () => {
    const w = running();
    const before = uid(w);
    w.isSlow = true;
    w.edit({ image: 'os:v2' });
    w.pass(2);
    w.edit({ image: 'os:v1' });
    w.pass(2);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
    w.isSlow = false;
    w.pass(15);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod', 'PatchPod']);
    expect(uid(w)).toBe(before);
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(outcomes(w)).toEqual(['os:v2 Superseded', 'os:v1 Succeeded']);
  });
});

describe('a revert in place', () => {
  test.each<[Behaviour, string]>([
    ['crashes', 'CrashLooping'],
    ['never-ready', 'ProgressDeadlineExceeded'],
    ['mount-script-fails', 'MountScriptFailed'],
  ])('of a version that %s', (behaviour, reason) => {
    const w = running({}, { 'os:v2': behaviour });
    const before = uid(w);
    w.edit({ image: 'os:v2' });
    w.pass(330, 5);
    expect(uid(w)).toBe(before);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod', 'PatchPod', 'RevertSpec']);
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1', restarts: 0 });
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v2', reason, attempts: 1 });
    expect(outcomes(w)).toEqual(['os:v2 Reverted', 'os:v1 Succeeded']);
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'False/Reverted']);
  });

  test('is not over before the container is restarted, and a retry patches again', () => {
    const w = running({}, { 'os:v2': 'never-ready' });
    w.edit({ image: 'os:v2' });
    w.pass(295, 5);
    w.isSlow = true;
    w.pass(20, 5);
    expect(w.object.status?.failedImages?.[0]?.image).toBe('os:v2');
    expect(w.condition('Ready')).not.toBe('True/Running');
    expect(w.object.status?.image).toBe('os:v2');
    w.isSlow = false;
    w.pass(5);
    expect(w.object.status?.image).toBe('os:v1');
    w.behaviours.set('os:v2', 'good');
    w.edit({ image: 'os:v2', ...upgrade({ retryToken: 'again' }) });
    w.pass(15);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    expect(kinds(w).filter((it) => it !== 'RevertSpec')).toEqual(['CreatePod', 'PatchPod', 'PatchPod', 'PatchPod']);
  });

  test('of a container that cannot be started goes back after progressDeadlineSeconds', () => {
    const w = running({}, { 'os:v2': 'not-pulled' });
    w.edit({ image: 'os:v2' });
    w.pass(10);
    expect(w.condition('Ready')).toBe('False/Starting');
    w.pass(320, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expect(w.object.status?.image).toBe('os:v1');
  });
});

describe('the node of the Pod', () => {
  const two = (first: readonly string[], labels: object = plugin) => [
    nodeWith(first, 'node-1', labels),
    nodeWith(versions, 'node-2'),
  ];

  test('is waited for while it is getting the image, and what runs serves well', () => {
    const w = running();
    w.nodes = two(['os:v1']);
    w.getting = ['node-1'];
    w.edit({ image: 'os:v2' });
    w.pass(60, 10);
    expect(kinds(w)).toEqual(['CreatePod']);
    expect(w.condition('Upgraded')).toBe('Unknown/WaitingForNode');
    w.nodes = two(versions);
    w.pass(15);
    expect(kinds(w)).toEqual(['CreatePod', 'PatchPod']);
  });

  test.each<[string, (w: World) => void]>([
    ['never gets the image', () => undefined],
    ['gets the image, but what runs does not serve', (w) => {
      w.getting = ['node-1'];
      w.behaviours.set('os:v1', 'never-ready');
      w.pass(2);
    }], // prettier-ignore
    ['has no node plugin any more', (w) => { w.nodes = two(versions, {}); }], // prettier-ignore
  ])('is left for another one when it %s', (_name, change) => {
    const w = running();
    w.nodes = two(['os:v1']);
    change(w);
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(kinds(w)).toEqual(['CreatePod', 'DeletePod', 'CreatePod']);
  });
});

test('a registry that a webhook has written into the Pod makes no other image of it: it is replaced where that is asked for', () => {
  const w = running();
  const [main] = w.pod?.spec.containers ?? [];
  if (!w.pod || !main) throw new Error('There is no Pod');
  const image = main.image.replace('registry/', 'mirror/');
  w.pod = { ...w.pod, spec: { ...w.pod.spec, containers: [{ ...main, image }] } };
  w.edit({ restartToken: 'now' });
  w.pass(15);
  expect(kinds(w)).toEqual(['CreatePod', 'DeletePod', 'CreatePod']);
});

test.each<[string, (w: World) => void]>([
  ['is suspended', (w) => w.edit({ suspend: true })],
  ['asks for a restart', (w) => w.edit({ restartToken: 'now' })],
  ['asks for a retry', (w) => w.edit(upgrade({ retryToken: 'now' }))],
  ['loses its Pod', (w) => w.deletePod()],
])('a container that %s while it is restarted in its Pod comes to run what it asks for', (_name, change) => {
  const w = running();
  w.isSlow = true;
  w.edit({ image: 'os:v2' });
  w.pass(3);
  change(w);
  w.isSlow = false;
  w.pass(5);
  w.edit({ suspend: false });
  w.pass(30);
  expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
  expect(w.object.status?.failedImages ?? []).toEqual([]);
  expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'True/UpToDate']);
});

test('an image that is condemned while the container is restarted on it is left again, in the same Pod', () => {
  const w = running();
  const before = uid(w);
  w.isSlow = true;
  w.edit({ image: 'os:v2' });
  w.pass(3);
  const image = w.images.get('os:v2');
  if (!image) throw new Error('There is no image');
  const annotations = { 'monoroot.dev/condemned': 'it fails elsewhere' };
  w.images.set('os:v2', { ...image, metadata: { ...image.metadata, annotations } });
  w.pass(3);
  w.isSlow = false;
  w.pass(30);
  expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
  expect(uid(w)).toBe(before);
});

test('a Pod that is evicted before its container is restarted says nothing about the image', () => {
  const w = running({}, { 'os:v2': 'evicted' });
  w.edit({ image: 'os:v2' });
  w.settle();
  w.behaviours.set('os:v2', 'good');
  w.pass(120, 5);
  expect(w.object.status?.failedImages ?? []).toEqual([]);
  expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
});

test('what the cache does not know yet of a patch counts, and what it knows more counts then', () => {
  const w = running();
  w.isSlow = true;
  const from = { ...w.pod, metadata: { ...w.pod?.metadata, resourceVersion: '7' } } as Pod;
  w.edit({ image: 'os:v2' });
  w.settle();
  const action = w.actions.at(-1);
  if (action?.type !== 'PatchPod') throw new Error('It was not patched');
  const patches = new PodPatches();
  patches.add({ ...action.patch, from });
  const seen = (pod: Pod) =>
    patches.mark({ container: w.object, pod } as Observed).pod?.metadata.annotations?.['monoroot.dev/image'];
  expect(seen(from)).toBe('os:v2');
  expect(seen({ ...from, metadata: { ...from.metadata, resourceVersion: '9' } })).toBe('os:v1');
  expect(seen(from)).toBe('os:v1');
});

test('a patch that the API server refuses is no obstacle: the Pod is replaced', () => {
  const w = running();
  w.patchRefusal = () => 'pods "web" is forbidden: User "operator" cannot patch resource "pods"';
  w.edit({ image: 'os:v2' });
  w.pass(15);
  expect(kinds(w)).toEqual(['CreatePod', 'DeletePod', 'CreatePod']);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
});

test('a container that crashes is replaced by an upgrade: what the kubelet reports then cannot be told apart', () => {
  const w = running();
  w.behaviours.set('os:v1', 'crashes');
  w.pass(3);
  w.edit({ image: 'os:v2' });
  w.pass(15);
  expect(kinds(w)).toEqual(['CreatePod', 'DeletePod', 'CreatePod']);
});

describe('a crash of the operator changes nothing about the end', () => {
  const crashes = (['before-status', 'after-first-action'] as const).flatMap((crash) =>
    [0, 1, 2, 3, 4, 5, 6].map((at): [Crash, number] => [crash, at]),
  );
  test.each(crashes)('%s in run %i of a revert in place', (crash, at) => {
    const w = running({}, { 'os:v2': 'crashes' });
    w.edit({ image: 'os:v2' });
    for (let run = 0; run < at; run++) {
      w.reconcile();
      w.kubelet();
    }
    w.reconcile(crash);
    w.pass(30);
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
    expect(outcomes(w)).toEqual(['os:v2 Reverted', 'os:v1 Succeeded']);
    expect(kinds(w)).not.toContain('DeletePod');
  });
});
