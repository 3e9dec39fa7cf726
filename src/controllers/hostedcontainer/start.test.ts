import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { expectValidStatus } from '../../runtime/status.ts';
import { versions, world, running, outcomes, reasons } from '../../../test/fixtures/upgrading.ts';

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
