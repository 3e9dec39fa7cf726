import { describe, expect, test } from 'vitest';
import { node } from '../../../test/fixtures/builders.ts';
import type { Behaviour } from '../../../test/fixtures/world.ts';
import { expectValidStatus } from '../../runtime/status.ts';
import { versions, world, running, outcomes, reasons } from '../../../test/fixtures/upgrading.ts';

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

test.each(['HostPath', 'Direct'] as const)(
  'an image that is withdrawn in the middle of an attempt: the last known good runs when it does not serve, with %s',
  (mounts) => {
    for (const [behaviour, runs] of [
      ['crashes', 'os:v1'],
      ['good', 'os:v2'],
    ] as const) {
      // prettier-ignore
      const w = world({ mounts }, { 'os:v2': behaviour });
      const scaffold = `registry/scaffold:1@sha256:${'f'.repeat(64)}`;
      w.scaffolds = { merged: scaffold, split: scaffold };
      w.nodes = [node('node-1', versions, {}, { 'monoroot.dev/direct-mounts': 'true' })];
      w.settle();
      w.pass(15);
      w.edit({ image: 'os:v2', upgrade: { ...w.object.spec.upgrade, maxRestarts: 100 } });
      w.pass(3);
      w.images.delete('os:v2');
      w.pass(30);
      expect([w.image, w.condition('Ready')]).toEqual([runs, 'True/Running']);
      expect(w.condition('ImageResolved')).toBe('False/UnknownImage');
    }
  },
);
