import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { Behaviour } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const versions = ['os:v1', 'os:v2', 'os:v3'];
const upgrade = new World({ image: 'os:v1' }).object.spec.upgrade;

/** A container that is good on v1, on its way to v2, which behaves so. */
function attempt(behaviour: Behaviour, spec: Partial<HostedContainerSpec> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of versions) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', versions)];
  w.settle();
  w.pass(15);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
  w.behaviours.set('os:v2', behaviour);
  w.edit({ image: 'os:v2' });
  return w;
}

const created = (w: World, image: string) =>
  w.actions.filter((a) => a.type === 'CreatePod' && a.pod.metadata.annotations?.['monoroot.dev/image'] === image)
    .length;
const messageOf = (w: World, type: string) => w.object.status?.conditions?.find((c) => c.type === type)?.message;
const unreachable = { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] };

describe('what says nothing about the image', () => {
  const rows: [Behaviour, string, RegExp][] = [
    ['evicted', 'a Pod that is evicted for the sake of its node', /Evicted: The node was low on resource: memory/],
    ['rejected', 'a Pod that the kubelet rejects', /OutOfcpu: Pod was rejected/],
    ['shut-down', 'a Pod whose node shuts down', /Terminated: .*node shutdown/],
    ['unschedulable', 'a Pod without a node', /Insufficient cpu/],
    ['not-pulled', 'a scaffold that cannot be pulled', /Back-off pulling image/],
    ['no-secret', 'a missing Secret', /secret "db" not found/],
    ['not-started', 'a runtime that cannot start the container', /CrashLoopBackOff/],
    ['lost-exit', 'exits that only the loss of the node explains', /CrashLoopBackOff/],
  ];

  test.each(rows)('%s: %s is no failure, the reason is reported and v1 serves meanwhile', (behaviour, _name, why) => {
    const w = attempt(behaviour);
    let served = 0;
    let told = false;
    for (let minute = 0; minute < 60; minute++) {
      w.pass(60, 5);
      if (w.condition('Ready') === 'True/Running' && w.image === 'os:v1') served += 1;
      told ||= why.test(messageOf(w, 'Upgraded') ?? '');
    }
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expect(w.object.spec.image).toBe('os:v2');
    expect(w.condition('Upgraded').startsWith('Unknown')).toBe(true);
    expect([told, w.condition('Reconciling').startsWith('True')]).toEqual([true, true]);
    expect(served).toBeGreaterThan(25);
    expect(created(w, 'os:v2')).toBeLessThan(12);
    const events = w.notes.filter(({ reason }) => reason === 'Interrupted');
    expect(events).toHaveLength(w.object.status?.attempt?.interruption?.count ?? 0);
    expectValidStatus(w.object);
  });

  test.each(rows)('%s: and v2 is good once the cause is gone', (behaviour) => {
    const w = attempt(behaviour);
    w.pass(900, 5);
    w.behaviours.delete('os:v2');
    w.pass(1900, 5);
    expect(w.object.status).toMatchObject({ image: 'os:v2', lastKnownGoodImage: 'os:v2' });
    expect(w.object.status?.attempt).toBeUndefined();
    expect(w.object.status?.history?.map((h) => `${h.image} ${h.outcome ?? 'open'}`)).toEqual([
      'os:v2 Succeeded',
      'os:v1 Succeeded',
    ]);
  });

  test('a node that dies five minutes into an attempt: nothing is judged until it answers', () => {
    const w = attempt('never-ready');
    w.pass(200, 5);
    w.nodes = [node('node-1', versions, unreachable)];
    w.reconcile();
    w.pass(3600, 30);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expect(w.condition('Upgraded')).toBe('Unknown/InProgress');
    w.nodes = [node('node-1', versions)];
    w.pass(145, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(30, 5);
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
  });

  test.each([
    ['is marked unreachable', (w: World) => (w.nodes = [node('node-1', versions, unreachable)])],
    ['is removed', (w: World) => (w.nodes = [])],
    [
      'is marked, and its Pod deleted in the same moment',
      (w: World) => {
        w.nodes = [node('node-1', versions, unreachable)];
        w.deletePod();
      },
    ],
  ])('the time from the death of a node until it %s is not charged', (_how, mark) => {
    const w = attempt('never-ready', { upgrade: { ...upgrade, progressDeadlineSeconds: 100 } });
    w.pass(50, 5);
    w.isCutOff = true;
    w.pass(45, 5);
    mark(w);
    w.reconcile();
    // It could run for 90 s, and in the last 50 of them the node may have been dead.
    expect(w.object.status?.attempt?.elapsedSeconds).toBe(40);
  });

  test('a deadline that comes between the death of a node and its taint is no verdict, and writes nothing meanwhile', () => {
    const w = attempt('never-ready', { upgrade: { ...upgrade, progressDeadlineSeconds: 60 } });
    w.pass(40, 5);
    w.isCutOff = true;
    w.pass(15, 5);
    const writes = w.statusWrites;
    w.pass(30, 5);
    expect(w.statusWrites).toBe(writes);
    w.nodes = [node('node-1', versions, unreachable)];
    w.pass(600, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.isCutOff = false;
    w.behaviours.delete('os:v2');
    w.nodes = [node('node-1', versions)];
    w.pass(20, 5);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('a node whose kubelet can never be asked for a log delays the verdict, no more', () => {
    const w = attempt('never-ready', { upgrade: { ...upgrade, progressDeadlineSeconds: 60 } });
    w.pass(40, 5);
    w.isCutOff = true;
    w.pass(60, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(20, 5);
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
  });

  test('the API server is away for ten minutes: the next leader gives the kubelet time to say what became of the Pod', () => {
    const w = attempt('never-ready');
    w.pass(60, 5);
    w.now = new Date(w.now.getTime() + 600_000);
    w.leadingSince = w.now;
    w.settle();
    w.pass(30, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.behaviours.delete('os:v2');
    w.pass(20, 5);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('and one that is still not Ready has failed after that', () => {
    const w = attempt('never-ready');
    w.pass(60, 5);
    w.now = new Date(w.now.getTime() + 600_000);
    w.leadingSince = w.now;
    w.pass(60, 5);
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
  });

  test('a node that died while no operator led: of that time nothing is charged', () => {
    const w = attempt('never-ready');
    w.pass(60, 5);
    w.isCutOff = true;
    w.now = new Date(w.now.getTime() + 3_600_000);
    w.leadingSince = w.now;
    w.nodes = [node('node-1', versions, unreachable)];
    w.settle();
    expect(w.object.status?.attempt?.elapsedSeconds).toBe(0);
  });

  test('a first version without a way back is tried again with growing pauses, and starts in the end', () => {
    const w = new World({ image: 'os:v1' });
    w.images.set('os:v1', osImage('os:v1'));
    w.nodes = [node('node-1', ['os:v1'])];
    w.behaviours.set('os:v1', 'rejected');
    w.pass(1200, 1);
    expect(created(w, 'os:v1')).toBeLessThan(12);
    expect(w.condition('Ready')).toBe('False/Interrupted');
    expect(messageOf(w, 'Ready')).toMatch(/OutOfcpu.*The next one is made at/);
    expect([w.condition('Stalled'), w.condition('Reconciling')]).toEqual(['False/NotStalled', 'True/Interrupted']);
    w.behaviours.delete('os:v1');
    w.pass(330, 1);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('the last known good that is evicted again and again is replaced at once, then with growing pauses', () => {
    const w = attempt('good');
    w.pass(15);
    w.behaviours.set('os:v2', 'evicted');
    w.pass(2);
    const before = created(w, 'os:v2');
    expect(before).toBeGreaterThan(1);
    w.pass(1200, 1);
    expect(created(w, 'os:v2') - before).toBeLessThan(12);
    expect(messageOf(w, 'Ready')).toContain('Evicted');
    expect(w.object.spec.image).toBe('os:v2');
    w.behaviours.delete('os:v2');
    w.pass(330, 1);
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('while it pauses, nothing is written', () => {
    const w = attempt('rejected');
    w.pass(300, 1);
    expect(w.condition('Upgraded')).toBe('Unknown/Interrupted');
    const before = w.statusWrites;
    w.pass(60, 1);
    expect(w.statusWrites).toBe(before);
  });
});

describe('what the container does counts', () => {
  test('evictions because it fills its disk count after three', () => {
    const w = attempt('fills-its-disk');
    w.pass(600, 1);
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v2', reason: 'Evicted', attempts: 1 });
    expect(w.object.status?.failedImages?.[0]?.message).toContain('Usage of EmptyDir volume "data" exceeds the limit');
    expect(created(w, 'os:v2')).toBe(3);
    expect(w.object.spec.image).toBe('os:v1');
    expect(w.condition('Upgraded')).toBe('False/Reverted');
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('exits add up over the Pods of an attempt', () => {
    const w = attempt('never-ready', { upgrade: { ...upgrade, maxRestarts: 4 } });
    w.settle();
    const crashOnce = () => {
      w.behaviours.set('os:v2', 'crashes');
      w.pass(2);
      w.behaviours.set('os:v2', 'never-ready');
      w.pass(1);
    };
    crashOnce();
    expect(w.object.status?.attempt?.exits).toBe(2);
    w.edit({ restartToken: 'again' });
    w.pass(3);
    expect(w.object.status?.attempt?.exits).toBe(2);
    crashOnce();
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ reason: 'CrashLooping' });
    expect(w.object.status?.failedImages?.[0]?.message).toContain('exited 4 times');
  });

  test('the deadline is that of the attempt: another Pod or a patch does not start it again', () => {
    const w = attempt('never-ready');
    for (let i = 0; i < 20; i++) {
      w.pass(20, 5);
      w.edit({ restartToken: `${i}` });
    }
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
    expect(w.object.spec.image).toBe('os:v1');
  });

  test('another command is another attempt, with a deadline of its own', () => {
    const w = attempt('never-ready');
    w.pass(280, 5);
    w.edit({ args: ['--right'] });
    w.pass(250, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.behaviours.delete('os:v2');
    w.pass(15);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('time in which it could not start does not count', () => {
    const w = attempt('not-pulled');
    w.pass(250, 5);
    w.behaviours.set('os:v2', 'never-ready');
    w.pass(290, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(20, 5);
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
  });

  test('one that is Ready when the deadline comes is given its minReadySeconds', () => {
    const w = attempt('never-ready');
    w.edit({ upgrade: { ...upgrade, progressDeadlineSeconds: 60, minReadySeconds: 60 } });
    w.pass(50, 1);
    w.behaviours.delete('os:v2');
    w.pass(70, 1);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });
});

describe('a kubelet whose clock is wrong', () => {
  test.each([-600, 600])('by %i s changes neither when a version is good nor when it has failed', (skewSeconds) => {
    const w = attempt('good');
    w.skewSeconds = skewSeconds;
    w.pass(9);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
    w.pass(3);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    w.behaviours.set('os:v3', 'never-ready');
    w.edit({ image: 'os:v3' });
    w.pass(295);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(10);
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v3', reason: 'ProgressDeadlineExceeded' });
    expect(w.image).toBe('os:v2');
  });
});

describe('a leader whose clock is ten minutes ahead of the next one', () => {
  const handOver = (w: World) => {
    w.now = new Date(w.now.getTime() - 600_000);
    w.leadingSince = w.now;
    w.settle();
  };

  test('lets no one wait for ten minutes more until a version is good', () => {
    const w = attempt('good');
    w.pass(3);
    handOver(w);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
    w.pass(11);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('nor until one has failed', () => {
    const w = attempt('never-ready');
    w.pass(100, 5);
    handOver(w);
    w.pass(280, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.pass(40, 5);
    expect(w.object.status?.failedImages?.[0]?.reason).toBe('ProgressDeadlineExceeded');
  });

  test('and one whose clock is behind charges an image that becomes Ready with nothing', () => {
    const w = attempt('never-ready');
    w.pass(100, 5);
    w.now = new Date(w.now.getTime() + 600_000);
    w.leadingSince = w.now;
    w.settle();
    w.pass(40, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.behaviours.delete('os:v2');
    w.pass(15, 5);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });
});

describe('a Pod that the API server refuses', () => {
  const isOf = (image: string) => (pod: { metadata: { annotations?: Record<string, string> } }) =>
    pod.metadata.annotations?.['monoroot.dev/image'] === image;

  test.each([
    'pods "web" is forbidden: error looking up service account default/web: serviceaccount "web" not found',
    'pods "web" is forbidden: unable to create new content in namespace shops because it is being terminated',
    'pods "web" is forbidden: by a policy that somebody has just written',
  ])('and would be refused on the last known good too says nothing: %s', (refusal) => {
    const w = attempt('good');
    w.refusal = () => refusal;
    w.pass(600, 5);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expect(w.object.spec.image).toBe('os:v2');
    expect(messageOf(w, 'Upgraded')).toContain(refusal);
    expect(messageOf(w, 'Upgraded')).toContain('A Pod of os:v1 would be refused too');
    const writes = w.statusWrites;
    w.pass(120, 5);
    expect(w.statusWrites).toBe(writes);
    w.refusal = () => undefined;
    w.pass(45);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('because a quota was taken after the old Pod went says nothing', () => {
    const w = attempt('good');
    w.reconcile();
    w.refusal = () => 'pods "web" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=5, limited: pods=5';
    w.kubelet();
    w.pass(60, 5);
    expect(w.pod).toBeUndefined();
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    w.refusal = () => undefined;
    w.pass(60, 5);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('because a quota was lowered does not cost the container that runs, and is reported with what to do', () => {
    const w = attempt('good');
    const pod = w.pod?.metadata.uid;
    w.refusal = () => 'pods "web" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=5, limited: pods=4';
    w.pass(120, 5);
    expect(w.pod?.metadata.uid).toBe(pod);
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'Unknown/PodForbidden']);
    expect(messageOf(w, 'Stalled')).toMatch(
      /^The API server refuses the Pod: .*limited: pods=4\. A Pod of os:v1 would be refused too.*\. Change the quota/,
    );
    w.refusal = () => undefined;
    w.pass(60, 5);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
  });

  test('with a text of any length is reported, and written once', () => {
    const w = attempt('good');
    w.refusal = () => `admission webhook said: ${'no '.repeat(50_000)}`;
    w.pass(120, 5);
    expect(messageOf(w, 'Ready')?.length ?? 0).toBeLessThanOrEqual(8192);
    expectValidStatus(w.object);
    const writes = w.statusWrites;
    w.pass(600, 30);
    expect(w.statusWrites).toBe(writes);
  });

  test('while one of the last known good would be taken is a failure', () => {
    const w = attempt('good');
    w.refusal = (pod) => (isOf('os:v2')(pod) ? 'not on a Sunday' : undefined);
    w.pass(60, 5);
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v2', reason: 'PodForbidden' });
    expect(w.condition('Upgraded')).toBe('False/Reverted');
  });

  test('with a last known good that cannot be used waits, and writes nothing again and again', () => {
    const w = attempt('good');
    w.images.delete('os:v1');
    w.refusal = () => 'not on a Sunday';
    w.settle();
    const before = w.statusWrites;
    for (let i = 0; i < 200; i++) w.reconcile();
    expect(w.statusWrites).toBe(before);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
  });
});

describe('what is reported of the past', () => {
  test('a shape that failed once and runs well now is UpToDate', () => {
    const w = attempt('crashes', { upgrade: { ...upgrade, onFailure: 'Hold' } });
    w.pass(20);
    expect(w.condition('Upgraded')).toBe('False/Held');
    w.behaviours.delete('os:v2');
    w.edit({ args: ['--right'] });
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    const { args: _args, ...spec } = w.object.spec;
    w.object = { ...w.object, spec };
    w.pass(20);
    expect([w.condition('Upgraded'), w.condition('Stalled')]).toEqual(['True/UpToDate', 'False/NotStalled']);
    expect(w.object.status?.failedImages).toEqual([]);
    const writes = w.statusWrites;
    w.pass(600, 10);
    expect(w.statusWrites).toBe(writes);
  });

  test('an upgrade that was taken back is over in the history', () => {
    const w = attempt('never-ready');
    w.pass(5);
    w.edit({ image: 'os:v1' });
    w.pass(20);
    expect(w.object.status?.history?.[0]).toMatchObject({ image: 'os:v2', outcome: 'Superseded' });
    expect(w.object.status?.history?.[0]?.endTime).toBeDefined();
    expect(w.object.status?.attempt).toBeUndefined();
  });
});
