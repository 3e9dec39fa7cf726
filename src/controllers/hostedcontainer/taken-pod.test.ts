import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const versions = ['os:v1', 'os:v2'];

/** A container that is good on v1. */
function running(spec: Partial<HostedContainerSpec> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of versions) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', versions)];
  w.settle();
  w.pass(15);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
  return w;
}

/** Somebody deletes each Pod in the second in which it is seen; gives how many were made. */
function fight(w: World, seconds: number, atOnce = false): number {
  const before = created(w);
  for (let t = 0; t < seconds; t++) {
    w.deletePod(atOnce);
    w.reconcile();
    w.pass(1);
  }
  return created(w) - before;
}

const created = (w: World) => w.actions.filter(({ type }) => type === 'CreatePod').length;
const messageOf = (w: World, type: string) => w.object.status?.conditions?.find((c) => c.type === type)?.message;
const interruptions = (w: World) => w.notes.filter(({ reason }) => reason === 'Interrupted').length;

describe.each([
  ['gracefully', false],
  ['at once', true],
])('a Pod that somebody deletes %s', (_how, atOnce) => {
  test('is replaced at once, and nothing is said against anything', () => {
    const w = running();
    w.deletePod(atOnce);
    w.settle();
    w.pass(1);
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expect(interruptions(w)).toBe(0);
    w.pass(180, 10);
    w.deletePod(atOnce);
    w.settle();
    w.pass(1);
    expect(w.condition('Ready')).toBe('True/Running');
    expect(created(w)).toBe(3);
    expectValidStatus(w.object);
  });

  test('again and again is replaced after pauses that grow, and the condition says so', () => {
    const w = running();
    expect(fight(w, 900, atOnce)).toBeLessThan(10);
    expect(w.condition('Ready')).toBe('False/Interrupted');
    expect(w.condition('Reconciling')).toBe('True/Interrupted');
    expect(messageOf(w, 'Ready')).toMatch(/Deleted: Somebody deleted it.*The next one is made at/);
    expect(interruptions(w)).toBe((w.object.status?.interruption?.count ?? 0) - 1);
    w.pass(330);
    expect(w.condition('Ready')).toBe('True/Running');
    expectValidStatus(w.object);
  });

  test.each<[string, Partial<HostedContainerSpec>]>([
    ['restartToken', { restartToken: 'now' }],
    ['another image', { image: 'os:v2' }],
    ['another command', { command: ['/usr/sbin/nginx', '-g'] }],
  ])('a person who then asks for another Pod by %s gets it at once', (_what, spec) => {
    const w = running();
    fight(w, 300, atOnce);
    expect(w.pod).toBeUndefined();
    w.edit(spec);
    w.settle();
    expect(w.condition('Ready')).toBe('True/Running');
    w.pass(15);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('in an upgrade: the last known good serves in the pauses; restartToken ends them; the image is not held to account', () => {
    const w = running();
    w.edit({ image: 'os:v2', upgrade: { ...w.object.spec.upgrade, minReadySeconds: 30 } });
    w.settle();
    let v2 = 0;
    for (let t = 0; t < 1800; t++) {
      if (w.pod?.metadata.annotations?.['monoroot.dev/image'] === 'os:v2') {
        v2 += 1;
        w.deletePod(atOnce);
        w.reconcile();
      }
      w.pass(1);
    }
    expect(v2).toBeLessThan(8);
    expect(w.object.status).toMatchObject({ image: 'os:v1', targetImage: 'os:v2' });
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'Unknown/Interrupted']);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.edit({ restartToken: 'now' });
    w.settle();
    w.pass(35);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
  });
});

test('who is preempted again and again gets a message, in the words of Kubernetes', () => {
  const w = running();
  const message = 'default-scheduler: preempting to accommodate a higher priority pod';
  for (let n = 0; n < 3; n++) {
    w.deletePod(false, [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', message }]);
    w.reconcile();
    w.pass(12);
  }
  expect(messageOf(w, 'Ready')).toContain(`PreemptionByScheduler: ${message}`);
});

test('a Pod that was deleted because the container is suspended, or is to run something else, counts for nothing', () => {
  const w = running();
  for (let n = 0; n < 6; n++) {
    w.edit({ suspend: true });
    w.settle();
    w.edit({ suspend: false });
    w.settle();
    w.edit({ restartToken: String(n) });
    w.settle();
    expect(w.condition('Ready')).toBe('True/Running');
  }
  expect(w.object.status?.interruption).toBeUndefined();
});
