import { describe, expect, test } from 'vitest';
import { node } from '../../../test/fixtures/builders.ts';
import type { Crash } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { versions, world, running, outcomes, reasons } from '../../../test/fixtures/upgrading.ts';

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
