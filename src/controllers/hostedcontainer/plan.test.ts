import { describe, expect, test } from 'vitest';
import { container, node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { Behaviour, Crash } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { claimFromTemplate } from '../../pod/claim.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const versions = ['os:v1', 'os:v2', 'os:v3', 'os:v4'];

/** One node with four good versions of an OS. */
function world(spec: Partial<HostedContainerSpec> = {}, behaviours: Record<string, Behaviour> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of versions) w.images.set(name, osImage(name));
  for (const [name, behaviour] of Object.entries(behaviours)) w.behaviours.set(name, behaviour);
  w.nodes = [node('node-1', versions)];
  return w;
}

/** A container that has become good on v1. */
function running(spec: Partial<HostedContainerSpec> = {}, behaviours: Record<string, Behaviour> = {}): World {
  const w = world(spec, behaviours);
  w.settle();
  w.pass(15);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
  return w;
}

const outcomes = (w: World) => w.object.status?.history?.map((h) => `${h.image} ${h.outcome ?? 'open'}`);
const reasons = (w: World) => w.notes.map((n) => n.reason);

describe('start', () => {
  test('a new container starts on the version that it names and is good after minReadySeconds', () => {
    const w = world();
    w.settle();
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.condition('Upgraded')).toBe('Unknown/InProgress');
    expect(w.condition('Reconciling')).toBe('True/InProgress');
    expect(w.object.status?.lastKnownGoodImage).toBeUndefined();
    w.pass(15);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.condition('Reconciling')).toBe('False/Settled');
    expect(outcomes(w)).toEqual(['os:v1 Succeeded']);
    expectValidStatus(w.object);
  });

  test('success is reported at once, with all that follows from it', () => {
    const w = world();
    w.settle();
    const before = w.statusWrites;
    w.pass(15);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
    expect(w.statusWrites - before).toBe(1);
    expect(reasons(w)).toEqual(['StartBegan', 'Started']);
  });

  test('nothing is created while no node has the image', () => {
    const w = world();
    w.nodes = [node('node-1')];
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.condition('Ready')).toBe('False/PodPending');
    expect(w.condition('Upgraded')).toBe('Unknown/WaitingForNode');
    expect(w.object.status?.conditions?.find((c) => c.type === 'Ready')?.message).toContain('os:v1 is not on node-1');
  });

  test('a first version that fails is kept, reported and counted once, for there is nothing to go back to', () => {
    const w = world({}, { 'os:v1': 'crashes' });
    w.settle();
    w.pass(30);
    expect(w.pod).toBeDefined();
    expect(w.condition('Stalled')).toBe('True/Failed');
    expect(w.condition('Ready')).toBe('False/CrashLooping');
    expect(w.object.status?.failedImages).toHaveLength(1);
    expect(w.object.status?.failedImages?.[0]?.attempts).toBe(1);
    expect(reasons(w).filter((r) => r === 'StartFailed')).toHaveLength(1);
  });

  test('a first version that failed and recovers by itself becomes good', () => {
    const w = world({}, { 'os:v1': 'crashes' });
    w.settle();
    w.pass(10);
    w.behaviours.set('os:v1', 'good');
    w.pass(20);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    expect(w.object.status?.failedImages).toEqual([]);
  });
});

describe('resolution', () => {
  test('who has fallen back does so again when its image was away for a moment', () => {
    const w = world({ image: 'os:v9' });
    w.defaults.set('os', 'v2');
    w.settle();
    w.pass(15);
    const image = w.images.get('os:v2');
    w.images.delete('os:v2');
    w.pass(5);
    expect([w.image, w.condition('ImageResolved')]).toEqual(['os:v2', 'False/UnknownImage']);
    if (image) w.images.set('os:v2', image);
    w.pass(5);
    expect([w.image, w.condition('ImageResolved')]).toEqual(['os:v2', 'True/FallbackToDefault']);
    expectValidStatus(w.object);
  });

  test('an unknown image falls back to the default version with a warning, and moves when it becomes Ready', () => {
    const w = world({ image: 'os:v9' });
    w.defaults.set('os', 'v2');
    w.settle();
    w.pass(15);
    expect(w.image).toBe('os:v2');
    expect(w.condition('ImageResolved')).toBe('True/FallbackToDefault');
    expect(reasons(w)).toContain('FallbackToDefault');
    w.defaults.set('os', 'v3');
    w.pass(5);
    expect(w.image).toBe('os:v2');
    w.images.set('os:v9', osImage('os:v9'));
    w.nodes = [node('node-1', [...versions, 'os:v9'])];
    w.pass(15);
    expect(w.image).toBe('os:v9');
    expect(w.condition('ImageResolved')).toBe('True/Exact');
  });

  test('with policy Strict an unknown image waits', () => {
    const w = world({ image: 'os:v9', imagePolicy: 'Strict' });
    w.defaults.set('os', 'v2');
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.condition('ImageResolved')).toBe('False/UnknownImage');
    expect(w.condition('Ready')).toBe('False/UnknownImage');
  });

  test('an image that is not Ready is not used', () => {
    const w = world({ image: 'os:v9', imagePolicy: 'Strict' });
    w.images.set('os:v9', osImage('os:v9', { ready: false }));
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.condition('ImageResolved')).toBe('False/ImageNotReady');
  });

  test('a running container keeps what it has when its image becomes unknown, also over the loss of its Pod', () => {
    const w = running();
    w.defaults.set('os', 'v2');
    w.edit({ image: 'os:v9' });
    w.pass(5);
    expect(w.image).toBe('os:v1');
    expect(w.condition('ImageResolved')).toBe('False/UnknownImage');
    expect(w.condition('Ready')).toBe('True/Running');
    w.pod = undefined;
    w.pass(5);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a container that names only the OS is assigned the default version and keeps it', () => {
    const w = world({ image: 'os' });
    w.settle();
    expect(w.condition('ImageResolved')).toBe('False/NoDefaultVersion');
    w.defaults.set('os', 'v2');
    w.settle();
    w.pass(15);
    expect(w.object.status?.assignedImage).toBe('os:v2');
    w.defaults.set('os', 'v3');
    w.pass(15);
    expect(w.image).toBe('os:v2');
  });
});

describe('upgrade', () => {
  test('the new version replaces the old one and becomes the last known good', () => {
    const w = running();
    w.edit({ image: 'os:v2' });
    w.settle();
    expect(w.object.status?.targetImage).toBe('os:v2');
    w.pass(15);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    expect(w.object.status?.targetImage).toBeUndefined();
    expect(outcomes(w)).toEqual(['os:v2 Succeeded', 'os:v1 Succeeded']);
    expect(reasons(w)).toEqual(['StartBegan', 'Started', 'UpgradeStarted', 'UpgradeSucceeded']);
    expect(w.specWrites).toBe(0);
  });

  test('attempts that begin in the same second are each told', () => {
    const w = world({ upgrade: { ...world().object.spec.upgrade, minReadySeconds: 0 } });
    w.settle();
    w.edit({ image: 'os:v2' });
    w.settle();
    w.edit({ image: 'os:v4' });
    w.settle();
    expect(reasons(w).filter((r) => r === 'UpgradeStarted')).toHaveLength(2);
    expect(reasons(w).filter((r) => r === 'UpgradeSucceeded')).toHaveLength(2);
  });

  test('the old version serves until a node has the new one', () => {
    const w = running();
    w.nodes = [node('node-1', ['os:v1'])];
    const before = w.pod?.metadata.uid;
    w.edit({ image: 'os:v2' });
    w.pass(600, 60);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.condition('Upgraded')).toBe('Unknown/WaitingForNode');
    w.nodes = [node('node-1', versions)];
    w.pass(15);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('a specification that makes no sense leaves the running container alone', () => {
    const w = running();
    const before = w.pod?.metadata.uid;
    w.edit({ resources: { limits: { memory: '20Mi' } } });
    w.pass(5);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Stalled')).toBe('True/InvalidSpec');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(reasons(w).filter((r) => r === 'InvalidSpec')).toHaveLength(1);
  });

  test('two edits in a row end on the second, and the first counts as superseded', () => {
    const w = running({}, { 'os:v2': 'never-ready' });
    w.edit({ image: 'os:v2' });
    w.settle();
    w.pass(5);
    w.edit({ image: 'os:v4' });
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v4');
    expect(outcomes(w)).toEqual(['os:v4 Succeeded', 'os:v2 Superseded', 'os:v1 Succeeded']);
  });

  test('an upgrade taken back in the middle ends where it was, without a failure', () => {
    const w = running({}, { 'os:v2': 'never-ready' });
    w.edit({ image: 'os:v2' });
    w.pass(5);
    w.edit({ image: 'os:v1' });
    w.pass(20);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.object.status?.failedImages ?? []).toEqual([]);
  });
});

describe('revert', () => {
  const failures: [Behaviour, string][] = [
    ['crashes', 'CrashLooping'],
    ['never-ready', 'ProgressDeadlineExceeded'],
    ['mount-script-fails', 'MountScriptFailed'],
    ['refused', 'PodForbidden'],
  ];

  test.each(failures)('an image that is %s is reverted in spec with reason %s', (behaviour, reason) => {
    const w = running({}, { 'os:v3': behaviour });
    w.edit({ image: 'os:v3' });
    w.pass(400, 4);
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.specWrites).toBe(1);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    expect(w.condition('Reconciling')).toBe('False/Settled');
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v3', reason, attempts: 1 });
    expect(outcomes(w)).toEqual(['os:v3 Reverted', 'os:v1 Succeeded']);
    expect(reasons(w).filter((r) => r === 'UpgradeReverted')).toHaveLength(1);
    expectValidStatus(w.object);
  });

  test('a refused Pod costs the running container nothing', () => {
    const w = running({}, { 'os:v3': 'refused' });
    const before = w.pod?.metadata.uid;
    w.edit({ image: 'os:v3' });
    w.pass(20);
    expect(w.pod?.metadata.uid).toBe(before);
  });

  test('the end of the log is in the ledger and in the event', () => {
    const w = running({}, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    w.pass(20);
    expect(w.object.status?.failedImages?.[0]?.message).toContain('last words');
    expect(w.notes.find((n) => n.reason === 'UpgradeReverted')?.note).toContain('last words');
  });

  test('with Hold spec is left alone and the last known good runs', () => {
    const w = running({ upgrade: { ...world().object.spec.upgrade, onFailure: 'Hold' } }, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    w.pass(20);
    expect(w.object.spec.image).toBe('os:v3');
    expect(w.specWrites).toBe(0);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('False/Held');
    expect(w.condition('Stalled')).toBe('True/Held');
  });

  test('a GitOps tool that writes the failed image again and again starts no second attempt and no tug-of-war', () => {
    const w = running({}, { 'os:v3': 'crashes' });
    for (let i = 0; i < 30; i++) {
      w.edit({ image: 'os:v3' });
      w.pass(5);
    }
    expect(w.specWrites).toBe(1);
    expect(w.image).toBe('os:v1');
    expect(w.object.status?.failedImages?.[0]?.attempts).toBe(1);
    expect(w.condition('Upgraded')).toBe('False/FailedBefore');
    expect(w.condition('Stalled')).toBe('True/FailedBefore');
    expect(w.condition('Ready')).toBe('True/Running');
    const writes = w.statusWrites;
    w.pass(60);
    expect(w.statusWrites).toBe(writes);
  });

  test('when Git is fixed to the good version everything is in order again', () => {
    const w = running({}, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    w.pass(20);
    w.edit({ image: 'os:v3' });
    w.pass(5);
    w.edit({ image: 'os:v1' });
    w.pass(5);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.condition('Stalled')).toBe('False/NotStalled');
  });

  test('another retryToken is another attempt, and its failure is counted', () => {
    const w = running({}, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    w.pass(20);
    w.edit({ image: 'os:v3', upgrade: { ...w.object.spec.upgrade, retryToken: 'again' } });
    w.pass(20);
    expect(w.object.status?.failedImages).toHaveLength(2);
    expect(w.object.status?.failedImages?.[0]?.attempts).toBe(2);
    expect(w.specWrites).toBe(2);
    w.behaviours.set('os:v3', 'good');
    w.edit({ image: 'os:v3', upgrade: { ...w.object.spec.upgrade, retryToken: 'fixed' } });
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v3');
  });

  test('another command is another attempt', () => {
    const w = running({}, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    w.pass(20);
    w.behaviours.set('os:v3', 'good');
    w.edit({ image: 'os:v3', args: ['--fixed'] });
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v3');
  });

  test('a follower is reverted in status, where no one undoes it', () => {
    const w = world({ image: 'os' });
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    w.behaviours.set('os:v3', 'crashes');
    w.object = { ...w.object, status: { ...w.object.status, assignedImage: 'os:v3' } };
    w.pass(20);
    expect(w.object.spec.image).toBe('os');
    expect(w.object.status?.assignedImage).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    expect(w.specWrites).toBe(0);
  });

  test('a last known good that fails later is reported, not reverted', () => {
    const w = running();
    w.edit({ image: 'os:v2' });
    w.pass(15);
    w.behaviours.set('os:v2', 'crashes');
    w.pass(600, 10);
    expect(w.object.spec.image).toBe('os:v2');
    expect(w.image).toBe('os:v2');
    expect(w.condition('Ready')).toBe('False/CrashLooping');
    expect(w.specWrites).toBe(0);
  });

  test('a healthy container is not restarted by its retryToken', () => {
    const w = running();
    const before = w.pod?.metadata.uid;
    w.edit({ upgrade: { ...w.object.spec.upgrade, retryToken: 'x', minReadySeconds: 3 } });
    w.pass(10);
    expect(w.pod?.metadata.uid).toBe(before);
  });
});

describe('software, services and data', () => {
  const jdk = { name: 'jdk', osImage: 'jdk:21' };

  test('a container waits for stored software, and the condition says what is missing where', () => {
    const w = world({ software: [jdk] });
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.condition('Upgraded')).toBe('Unknown/SoftwareNotReady');
    w.images.set('jdk:21', osImage('jdk:21'));
    w.settle();
    expect(w.object.status?.conditions?.find((c) => c.type === 'Upgraded')?.message).toContain(
      'jdk:21 is not on node-1',
    );
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.pass(15);
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.actions.find((a) => a.type === 'CreatePod')?.pod.spec.containers[0]?.volumeMounts).toContainEqual({
      name: 'sw-jdk',
      mountPath: '/sw/jdk',
      readOnly: true,
      recursiveReadOnly: 'Enabled',
    });
  });

  test('other software restarts the container, but not before it is on the node', () => {
    const w = running({ software: [{ name: 'tool', image: 'registry/tool:1' }] });
    const before = w.pod?.metadata.uid;
    w.edit({ software: [jdk] });
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(before);
    w.images.set('jdk:21', osImage('jdk:21'));
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.pass(15);
    expect(w.pod?.metadata.uid).not.toBe(before);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('software whose OSImage is deleted while it runs stops nobody', () => {
    const w = world({ software: [jdk] });
    w.images.set('jdk:21', osImage('jdk:21'));
    w.nodes = [node('node-1', [...versions, 'jdk:21'])];
    w.settle();
    w.pass(15);
    const before = w.pod?.metadata.uid;
    w.images.delete('jdk:21');
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a claim is made from its template before the Pod, and the container waits for it only with whenDeleted Delete', () => {
    const claimTemplate = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
    const w = world({ data: { claimTemplate } });
    w.data = (c) => {
      const toCreate = claimFromTemplate(c);
      return w.claim || !toCreate ? {} : { toCreate };
    };
    w.settle();
    expect(w.actions.map((a) => a.type)).toEqual(['CreateClaim', 'CreatePod']);
    expect(w.claim).toMatchObject({ metadata: { name: 'web-data' }, spec: claimTemplate });
    w.edit({ data: { claimTemplate, whenDeleted: 'Delete' } });
    w.pass(15);
    expect(w.object.metadata.finalizers).toEqual(['monoroot.dev/data']);
    expect(w.claim?.metadata.ownerReferences).toBeUndefined();
    w.edit({ data: { claimTemplate } });
    w.pass(15);
    expect(w.object.metadata.finalizers).toBeUndefined();
    expect(w.actions.filter((a) => a.type === 'CreatePod')).toHaveLength(1);
  });

  test('data that cannot be mounted keeps the old Pod, and says why', () => {
    const w = running();
    const before = w.pod?.metadata.uid;
    w.data = () => ({ problem: 'PersistentVolumeClaim gone does not exist: create it, or change spec.data' });
    w.edit({ data: { claimName: 'gone' } });
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.condition('Upgraded')).toBe('Unknown/DataUnavailable');
    expect(w.condition('Stalled')).toBe('True/DataUnavailable');
    expect(w.condition('Reconciling')).toBe('False/Settled');
  });

  test('with node-bound data the image must be on the node of the data', () => {
    const w = world({ data: { claimName: 'data' } });
    w.nodes = [node('node-1', versions), node('node-2')];
    const terms = [
      { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-2'] }] },
    ];
    w.data = () => ({ affinity: { nodeSelectorTerms: terms } });
    w.settle();
    expect(w.pod).toBeUndefined();
    const message = w.object.status?.conditions?.find((c) => c.type === 'Ready')?.message;
    expect(message).toContain('that can reach the data (claim data)');
    expect(message).toContain('os:v1 is not on node-2');
    w.nodes = [node('node-1', versions), node('node-2', ['os:v1'])];
    w.pass(15);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('services need no command', () => {
    const { command: _none, ...spec } = container({ image: 'os:v1', services: true, data: { claimName: 'data' } }).spec;
    const w = world(spec);
    w.object = { ...w.object, spec };
    w.settle();
    expect(w.pod?.spec.containers[0]?.env).toContainEqual({ name: 'MONOROOT_SERVICES', value: 'true' });
  });

  test('a container on a node that does not answer is not Ready, and no second Pod is made', () => {
    const w = running();
    w.nodes = [node('node-1', versions, { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] })];
    const pod = w.pod;
    if (pod) w.pod = { ...pod, status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] } };
    w.reconcile();
    expect(w.condition('Ready')).toBe('False/NodeUnreachable');
    expect(w.pod?.metadata.uid).toBe(pod?.metadata.uid);
  });
});

describe('changes', () => {
  const shaping: Partial<HostedContainerSpec>[] = [
    { command: ['/bin/other'] },
    { args: ['-x'] },
    { env: [{ name: 'A', value: '1' }] },
    { timeZone: 'Australia/Sydney' },
    { user: '1000' },
    { environment: 'staging' },
    { writable: [{ path: '/etc', size: '20Mi' }] },
    { restartToken: '1' },
    { podTemplate: { automountServiceAccountToken: true } },
  ];
  test.each(shaping)('%j restarts the container once', (change) => {
    const w = running();
    const created = () => w.actions.filter((a) => a.type === 'CreatePod').length;
    w.edit(change);
    w.pass(30);
    expect(created()).toBe(2);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('while the Pod of the earlier shape is there, no one is informed that the change is done', () => {
    const w = running();
    w.edit({ restartToken: 'again' });
    w.reconcile();
    expect(w.object.status?.observedGeneration).toBe(w.object.metadata.generation);
    expect([w.condition('Upgraded'), w.condition('Reconciling')]).toEqual(['Unknown/InProgress', 'True/InProgress']);
    w.settle();
    w.pass(15);
    expect([w.condition('Upgraded'), w.condition('Reconciling')]).toEqual(['True/UpToDate', 'False/Settled']);
  });

  test('a suspended container has no Pod, and starts again', () => {
    const w = running();
    w.edit({ suspend: true });
    w.pass(5);
    expect(w.pod).toBeUndefined();
    expect(w.condition('Ready')).toBe('True/Suspended');
    expect(w.condition('Reconciling')).toBe('False/Settled');
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    w.edit({ suspend: false });
    w.pass(5);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a Pod of somebody else is not touched', () => {
    const w = world();
    w.settle();
    const foreign = w.pod;
    expect(foreign).toBeDefined();
    if (foreign) w.pod = { ...foreign, metadata: { ...foreign.metadata, ownerReferences: [] } };
    w.edit({ image: 'os:v2' });
    w.settle();
    expect(w.actions.filter((a) => a.type === 'DeletePod')).toEqual([]);
    expect(w.condition('Stalled')).toBe('True/PodConflict');
  });

  test('an idle container is written nothing', () => {
    const w = running();
    const before = w.statusWrites;
    w.pass(3600, 30);
    expect(w.statusWrites).toBe(before);
  });
});

describe('crashes of the operator', () => {
  /** Every run of the story may be cut short; the story must end the same, with as many writes to spec. */
  const story = (crashes: (run: number) => Crash) => {
    const w = running({}, { 'os:v3': 'crashes' });
    w.edit({ image: 'os:v3' });
    let run = 0;
    for (let t = 0; t < 60; t++) {
      w.now = new Date(w.now.getTime() + 1000);
      w.kubelet();
      w.reconcile(crashes(run++));
      w.kubelet();
    }
    w.pass(30);
    return w;
  };

  const kinds: Crash[] = ['before-status', 'after-first-action'];
  const cases = kinds.flatMap((kind) => Array.from({ length: 12 }, (_, at) => ({ kind, at })));
  test.each(cases)('a crash $kind in run $at of a revert changes nothing about its end', ({ kind, at }) => {
    const w = story((run) => (run === at ? kind : undefined));
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.image).toBe('os:v1');
    expect(w.object.status?.failedImages?.[0]?.attempts).toBe(1);
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(outcomes(w)?.slice(0, 1)).toEqual(['os:v3 Reverted']);
    expect(w.specWrites).toBe(1);
  });

  test('even an operator that crashes in every other run gets there', () => {
    const w = story((run) => (run % 2 === 0 ? 'before-status' : undefined));
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    expect(w.image).toBe('os:v1');
  });
});

describe('the node in status, where the way back is pinned', () => {
  test('stays while there is no Pod or the next one has no node yet', () => {
    const w = running();
    expect(w.object.status?.nodeName).toBe('node-1');
    w.nodes = [];
    w.pod = undefined;
    w.settle();
    expect(w.object.status?.nodeName).toBe('node-1');
    w.nodes = [node('node-1', versions)];
    w.reconcile();
    w.reconcile();
    expect(w.actions.at(-1)?.type).toBe('CreatePod');
    expect(w.object.status?.nodeName).toBe('node-1');
  });

  test('is that of the last known good until an attempt on another node is over', () => {
    const w = running();
    expect(w.object.status?.lastKnownGoodNode).toBe('node-1');
    w.nodes = [...w.nodes, node('node-2', versions)];
    w.nodeName = 'node-2';
    w.edit({ image: 'os:v2' });
    w.settle();
    w.settle();
    expect(w.object.status).toMatchObject({ nodeName: 'node-2', image: 'os:v2', lastKnownGoodNode: 'node-1' });
    w.pass(60);
    expect(w.object.status).toMatchObject({ lastKnownGoodImage: 'os:v2', lastKnownGoodNode: 'node-2' });
  });

  test('is given up when the container is suspended', () => {
    const w = running();
    w.edit({ suspend: true });
    w.settle();
    w.settle();
    expect(w.pod).toBeUndefined();
    expect(w.object.status?.nodeName).toBeUndefined();
    expect(w.object.status?.lastKnownGoodNode).toBeUndefined();
  });
});

describe('a condemned image', () => {
  const condemn = (w: World, name: string) => {
    const image = osImage(name);
    const annotations = { 'monoroot.dev/condemned': 'it ate data' };
    w.images.set(name, { ...image, metadata: { ...image.metadata, annotations } });
  };

  test('is not gone to: what runs keeps running, and it says why', () => {
    const w = running();
    condemn(w, 'os:v2');
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('ImageResolved')).toBe('False/ImageCondemned');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.object.status?.conditions?.find((c) => c.type === 'ImageResolved')?.message).toContain('it ate data');
  });

  test.each([
    [
      'with FallbackToDefault starts on the default version',
      'FallbackToDefault' as const,
      'os:v1',
      'True/FallbackToDefault',
    ],
    ['with Strict does not start', 'Strict' as const, undefined, 'False/ImageCondemned'],
  ])('asked for by a new container: one %s', (_name, imagePolicy, image, resolved) => {
    const w = world({ image: 'os:v2', imagePolicy });
    condemn(w, 'os:v2');
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(30);
    expect(w.image).toBe(image);
    expect(w.condition('ImageResolved')).toBe(resolved);
  });

  test.each(['os:v1', 'os'])('is started again by a container that runs it well (%s)', (image) => {
    const w = world({ image });
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    condemn(w, 'os:v1');
    w.defaults.set('os', 'v2');
    w.edit({ restartToken: '1' });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test.each(['os:v2', 'os'])('is left at once by one that is on its way to it (%s)', (image) => {
    const w = image === 'os' ? world({ image }) : running();
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    w.edit({ image });
    w.object = { ...w.object, status: { ...w.object.status, ...(image === 'os' && { assignedImage: 'os:v2' }) } };
    w.pass(5);
    expect(w.image).toBe('os:v2');
    condemn(w, 'os:v2');
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
    if (image === 'os') expect(w.object.status?.assignedImage).toBe('os:v1');
  });

  test('is kept by a container that runs it and has nothing to go back to, and is not assigned to another', () => {
    const w = world({ image: 'os' }, { 'os:v2': 'never-ready' });
    w.defaults.set('os', 'v2');
    w.settle();
    condemn(w, 'os:v2');
    w.defaults.set('os', 'v1');
    w.pass(5);
    expect(w.image).toBe('os:v2');
    const other = world({ image: 'os' });
    condemn(other, 'os:v2');
    other.defaults.set('os', 'v2');
    other.settle();
    expect(other.condition('ImageResolved')).toBe('False/ImageCondemned');
    other.defaults.set('os', 'v1');
    other.settle();
    other.pass(15);
    expect(other.object.status?.assignedImage).toBe('os:v1');
  });
});

describe('a container that follows the default version', () => {
  const follower = () => {
    const w = world({ image: 'os' });
    w.defaults.set('os', 'v1');
    w.settle();
    w.pass(15);
    return w;
  };
  const told = (w: World) => w.object.status?.conditions?.find((c) => c.type === 'ImageResolved')?.message;

  test('says what moves it when the default is another', () => {
    const w = follower();
    expect(told(w)).toBe('Follows the default version of os: v1');
    w.defaults.set('os', 'v2');
    w.settle();
    expect(told(w)).toContain('which is v2, and stays at v1 until it is moved. No ImageDistribution moves it there');
    w.mover = 'os.v2';
    w.settle();
    expect(told(w)).toContain('ImageDistribution os.v2 moves it there');
  });

  test('that failed with what a rollout assigned keeps the good one, also when it is edited', () => {
    const w = follower();
    w.behaviours.set('os:v2', 'crashes');
    const assigned = { assignedImage: 'os:v2', assignedTime: '2026-01-01T00:00:00Z', assignedRetryToken: 'a' };
    w.object = { ...w.object, status: { ...w.object.status, ...assigned } };
    w.pass(30);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1', assignedRetryToken: 'a' });
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    w.edit({ args: ['-x'] });
    w.pass(15);
    expect(w.image).toBe('os:v1');
    expect(w.object.status?.failedImages).toHaveLength(1);
  });

  test.each([true, false])(
    'remembers whether it was available when it was assigned what failed (%s)',
    (unavailable) => {
      const w = follower();
      w.behaviours.set('os:v2', 'crashes');
      const assigned = { assignedImage: 'os:v2', assignedWhileUnavailable: unavailable };
      w.object = { ...w.object, status: { ...w.object.status, ...assigned } };
      w.pass(30);
      expect(w.object.status?.failedImages?.map((it) => it.unavailableBefore ?? false)).toEqual([unavailable]);
    },
  );

  test('tries again what failed when it is assigned with another retry token', () => {
    const w = follower();
    w.behaviours.set('os:v2', 'crashes');
    const assign = (assignedRetryToken: string) => {
      w.object = { ...w.object, status: { ...w.object.status, assignedImage: 'os:v2', assignedRetryToken } };
    };
    assign('');
    w.pass(30);
    w.behaviours.delete('os:v2');
    assign('');
    w.pass(30);
    expect(w.image).toBe('os:v1');
    assign('fixed');
    w.pass(30);
    expect(w.image).toBe('os:v2');
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('that names a version gives up what the rollout has written', () => {
    const w = follower();
    w.object = { ...w.object, status: { ...w.object.status, assignedTime: '2026-01-01T00:00:00Z' } };
    w.edit({ image: 'os:v2' });
    w.pass(15);
    expect(w.actions.filter(({ type }) => type === 'Unassign')).toHaveLength(1);
    expect(w.object.status).toMatchObject({ image: 'os:v2' });
    expect(w.object.status?.assignedImage).toBeUndefined();
    expect(w.object.status?.assignedTime).toBeUndefined();
  });
});

test('what an earlier version let through is reported, and runs on, but no other Pod is made of it', () => {
  const w = running();
  const uid = w.pod?.metadata.uid;
  const podTemplate = {
    automountServiceAccountToken: false,
    securityContext: { addCapabilities: ['DAC_READ_SEARCH'] },
  };
  w.edit({ podTemplate });
  w.settle();
  expect(findCondition(w.object.status?.conditions, 'Permitted')).toMatchObject({
    status: 'False',
    reason: 'NotPermitted',
  });
  expect(findCondition(w.object.status?.conditions, 'Stalled')).toMatchObject({
    status: 'True',
    reason: 'InvalidSpec',
  });
  expect(w.pod?.metadata.uid).toBe(uid);
  w.edit({ podTemplate: { automountServiceAccountToken: false } });
  w.settle();
  expect(findCondition(w.object.status?.conditions, 'Permitted')).toBeUndefined();
});
