import { describe, expect, test } from 'vitest';
import { node, osImage, sha256Of } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const versions = ['os:v1', 'os:v2', 'os:v3'];

function running(spec: Partial<HostedContainerSpec> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of versions) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', versions)];
  w.defaults.set('os', 'v1');
  w.settle();
  w.pass(15);
  expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
  w.notes.length = 0;
  return w;
}

/** As an object that was restored without its status, by a person, Flux or Velero. */
function loseStatus(w: World): void {
  const { status: _lost, ...rest } = w.object;
  w.object = rest;
}
const reasons = (w: World) => w.notes.map(({ reason }) => reason);

describe('a container that comes without status while its Pod runs', () => {
  test('keeps its Pod, and is good again after minReadySeconds', () => {
    const w = running();
    const pod = w.pod?.metadata.uid;
    loseStatus(w);
    w.pass(20);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'True/UpToDate']);
    expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodDigest: `sha256:${sha256Of('os:v1')}` });
    expectValidStatus(w.object);
  });

  test('that names no version stays on the one that it runs, whatever the default is by now', () => {
    const w = running({ image: 'os' });
    const pod = w.pod?.metadata.uid;
    w.defaults.set('os', 'v3');
    loseStatus(w);
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1', lastKnownGoodImage: 'os:v1' });
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('that a rollout had moved with a retry token is not restarted because that is forgotten', () => {
    const w = running({ image: 'os' });
    w.object = { ...w.object, status: { ...w.object.status, assignedImage: 'os:v2', assignedRetryToken: 'again' } };
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    const pod = w.pod?.metadata.uid;
    loseStatus(w);
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
  });

  test('that runs the default version because its own is unknown stays there', () => {
    const w = running({ image: 'os:v9' });
    const pod = w.pod?.metadata.uid;
    w.defaults.set('os', 'v3');
    loseStatus(w);
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect(w.object.status?.image).toBe('os:v1');
  });

  test('whose OSImages have no status yet either stays as it is', () => {
    const w = running();
    const pod = w.pod?.metadata.uid;
    for (const name of versions) w.images.set(name, osImage(name, { ready: false }));
    loseStatus(w);
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect(w.condition('Ready')).toBe('True/Running');
    for (const name of versions) w.images.set(name, osImage(name));
    w.pass(30);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test.each(['RevertSpec', 'Hold'] as const)(
    'and that asks for another version goes back to the one that it ran when that fails (%s)',
    (onFailure) => {
      const w = running();
      w.behaviours.set('os:v2', 'crashes');
      w.edit({ image: 'os:v2', upgrade: { ...w.object.spec.upgrade, onFailure } });
      loseStatus(w);
      w.pass(60);
      expect(w.object.status).toMatchObject({ image: 'os:v1', lastKnownGoodImage: 'os:v1' });
      expect(w.condition('Ready')).toBe('True/Running');
      expect(w.object.status?.failedImages?.map(({ image, attempts }) => [image, attempts])).toEqual([['os:v2', 1]]);
      expect(w.object.spec.image).toBe(onFailure === 'Hold' ? 'os:v2' : 'os:v1');
      expect(reasons(w)).toEqual(['UpgradeStarted', 'UpgradeFailed', 'UpgradeReverted']);
      expectValidStatus(w.object);
    },
  );

  test('a Pod that does not run well is no last known good', () => {
    const w = running();
    w.behaviours.set('os:v1', 'never-ready');
    w.pass(5);
    w.edit({ image: 'os:v2' });
    loseStatus(w);
    w.reconcile();
    expect(w.object.status?.lastKnownGoodImage).toBeUndefined();
  });

  describe('and is another container of that name', () => {
    const another = (w: World) => {
      loseStatus(w);
      w.object = { ...w.object, metadata: { ...w.object.metadata, uid: 'another' } };
    };
    const message = (w: World) => w.object.status?.conditions?.find(({ type }) => type === 'Ready')?.message;

    test('waits until Kubernetes has removed the Pod, and takes nothing from it', () => {
      const w = running();
      another(w);
      w.pass(20);
      expect([w.condition('Ready'), w.condition('Reconciling')]).toEqual(['False/Starting', 'True/InProgress']);
      expect(message(w)).toBe('A Pod of this name, of an earlier container, is being removed');
      const { image, digest, nodeName, podIP, restarts, replicas } = w.object.status ?? {};
      expect([image, digest, nodeName, podIP, restarts, replicas]).toEqual([undefined, undefined, undefined, undefined, undefined, 0]); // prettier-ignore
      w.deletePod();
      w.reconcile();
      expect(w.condition('Stalled')).toBe('False/NotStalled');
      w.pass(20);
      expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'True/UpToDate']);
    });

    test.each<[string, Record<string, string>, RegExp]>([
      [
        'a Pod that lost its owner',
        { 'monoroot.dev/hosted-container': 'web' },
        /left by an earlier HostedContainer.*delete it/,
      ],
      ['a Pod of somebody else', {}, /belongs to somebody else: remove it/],
    ])('asks a person to see to %s', (_whose, labels, text) => {
      const w = running();
      another(w);
      if (w.pod) w.pod = { ...w.pod, metadata: { ...w.pod.metadata, ownerReferences: [], labels } };
      w.pass(20);
      expect([w.condition('Ready'), w.condition('Stalled')]).toEqual(['False/PodConflict', 'True/PodConflict']);
      expect(message(w)).toMatch(text);
      w.deletePod(true);
      w.pass(20);
      expect(w.condition('Ready')).toBe('True/Running');
    });
  });
});

test('a container that comes without status and without Pod is a new one', () => {
  const w = running();
  w.deletePod(true);
  loseStatus(w);
  w.edit({ image: 'os:v2' });
  w.pass(30);
  expect(w.object.status?.history?.map(({ image, outcome }) => `${image} ${outcome ?? ''}`)).toEqual([
    'os:v2 Succeeded',
  ]);
  expect(w.object.status?.failedImages ?? []).toEqual([]);
});
