import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { ContainerStatus, Pod } from '../../api/kubernetes/objects.ts';
import { sincePatch } from '../../api/patched.ts';
import { followAttempt } from './attempt.ts';
import { exits, withoutMounts } from './outcome.ts';

const now = new Date('2026-01-01T12:00:00Z');
const labels = { 'monoroot.dev/direct-mounts': 'true' };
const base = node('node-1');
const withPlugin = { ...base, metadata: { ...base.metadata, labels: { ...base.metadata.labels, ...labels } } };
const terminated = { exitCode: 125, reason: 'Error', message: 'monoroot: NoMounts: the node plugin did not answer' };

const pod = (status: Partial<ContainerStatus>, of: Partial<Pod['metadata']> = {}, phase = 'Running'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', uid: 'u1', labels: { 'monoroot.dev/mounts': 'Direct' }, ...of },
  spec: { nodeName: 'node-1', restartPolicy: 'Always', containers: [], volumes: [] },
  status: { phase, containerStatuses: [{ name: 'main', restartCount: 0, ...status }] } as unknown as NonNullable<
    Pod['status']
  >,
});
const backOff = { waiting: { reason: 'CrashLoopBackOff' } };

describe('a container that was made while the node plugin was away', () => {
  test.each<[string, ReturnType<typeof withoutMounts>, Pod, boolean]>([
    ['waits for the plugin', 'Wait', pod({ restartCount: 9, lastState: { terminated }, state: backOff }), false],
    ['is tried again soon by the kubelet', 'Wait', pod({ restartCount: 1, state: { terminated } }), true],
    [
      'is replaced when the pauses grow',
      'Replace',
      pod({ restartCount: 2, lastState: { terminated }, state: backOff }),
      true,
    ],
    [
      'is judged as any other once it runs',
      undefined,
      pod({ restartCount: 2, lastState: { terminated }, state: { running: {} } }),
      true,
    ],
    ['is judged as any other when its Pod has ended', undefined, pod({ state: { terminated } }, {}, 'Failed'), true],
    ['exited for another reason', undefined, pod({ state: { terminated: { exitCode: 125, message: 'x' } } }), true],
    ['only says so, without direct mounts', undefined, pod({ state: { terminated } }, { labels: {} }), true],
  ])('%s', (_name, expected, of, isThere) => {
    expect(withoutMounts(of, [isThere ? withPlugin : base])).toBe(expected);
  });

  test('is replaced by the restarts that the kubelet has counted, also those before an upgrade in place', () => {
    const annotations = { 'monoroot.dev/patched': JSON.stringify({ containerID: 'containerd://before', restarts: 4 }) };
    const stored = pod(
      { restartCount: 5, containerID: 'containerd://now', lastState: { terminated }, state: backOff },
      { annotations },
    );
    const of = sincePatch(stored);
    expect(of.status?.containerStatuses?.[0]?.restartCount).toBe(1);
    expect(withoutMounts(of, [withPlugin])).toBe('Wait');
    expect(withoutMounts(of, [withPlugin], undefined, stored)).toBe('Replace');
  });

  test('waits when it was made after the time since which the plugin is said to answer', () => {
    const lastState = { terminated: { ...terminated, finishedAt: '2026-01-01T12:00:30Z' } };
    const of = pod({ restartCount: 9, lastState, state: backOff });
    expect(withoutMounts(of, [withPlugin], '2026-01-01T12:00:29.900Z')).toBe('Wait');
    expect(withoutMounts(of, [withPlugin], '2026-01-01T12:00:30.100Z')).toBe('Replace');
  });

  test('has neither exited nor run, as far as an attempt goes; its exits after that count', () => {
    const view = { fingerprint: 'f', nodeAnswers: true, now };
    const waiting = pod({ restartCount: 3, lastState: { terminated }, state: backOff });
    const before = followAttempt(undefined, { ...view, pod: waiting });
    expect(before.exits ?? 0).toBe(0);
    expect(before.runningSince).toBeUndefined();
    const own = { exitCode: 1, reason: 'Error' };
    const after = pod({ restartCount: 4, lastState: { terminated: own }, state: { terminated: own } });
    expect(exits(after) - exits(waiting)).toBe(2);
    expect(followAttempt(before, { ...view, pod: after }).exits).toBe(2);
  });

  test('is not replaced every few seconds, when the plugin registers and never answers', () => {
    const w = new World({ image: 'os:v1', mounts: 'Direct' });
    const digest = `@sha256:${'a'.repeat(64)}`;
    w.scaffolds = { merged: `scaffold-merged${digest}`, split: `scaffold-split${digest}` };
    w.images.set('os:v1', osImage('os:v1'));
    const it = node('node-1', ['os:v1']);
    w.nodes = [{ ...it, metadata: { ...it.metadata, labels: { ...it.metadata.labels, ...labels } } }];
    w.pass(15);
    expect(w.condition('Ready')).toBe('True/Running');
    const created = () => w.actions.filter(({ type }) => type === 'CreatePod').length;
    w.behaviours.set('os:v1', 'no-mounts');
    w.pass(5);
    expect(created()).toBeGreaterThan(1);
    const before = created();
    w.pass(1200);
    expect(created() - before).toBeLessThan(12);
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    w.behaviours.clear();
    w.pass(330);
    expect(w.condition('Ready')).toBe('True/Running');
  });
});
