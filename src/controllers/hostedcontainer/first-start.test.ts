import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { expectValidStatus } from '../../runtime/status.ts';

/** Three nodes, of which the first has the image and the other two are getting it. */
function world(spec: Partial<HostedContainerSpec> = {}): World {
  const w = new World({ image: 'os:v1', ...spec });
  for (const name of ['os:v1', 'os:v2', 'jdk:21']) w.images.set(name, osImage(name));
  w.nodes = [node('node-1', ['os:v1']), node('node-2'), node('node-3')];
  w.getting = ['node-2', 'node-3'];
  return w;
}

const message = (w: World, type: string) => w.object.status?.conditions?.find((c) => c.type === type)?.message;
const podTemplate = { automountServiceAccountToken: false };

describe('a first start', () => {
  test('waits while more nodes are getting the image, and says for what and until when', () => {
    const w = world();
    w.settle();
    expect(w.pod).toBeUndefined();
    expect([w.condition('Ready'), w.condition('Upgraded'), w.condition('Reconciling')]).toEqual([
      'False/WaitingForDistribution',
      'Unknown/WaitingForDistribution',
      'True/WaitingForDistribution',
    ]);
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    for (const said of ['os:v1', 'more nodes', '2026-01-01T00:01:00Z']) expect(message(w, 'Ready')).toContain(said);
    expect(w.object.status?.firstStartDeadline).toBe('2026-01-01T00:01:00Z');
    expectValidStatus(w.object);
  });

  test('is made as soon as all of them have it', () => {
    const w = world();
    w.settle();
    w.pass(5);
    w.nodes = [node('node-1', ['os:v1']), node('node-2', ['os:v1']), node('node-3')];
    w.getting = ['node-3'];
    w.pass(5);
    expect(w.pod).toBeUndefined();
    w.nodes = w.nodes.map(({ metadata }) => node(metadata.name, ['os:v1']));
    w.getting = [];
    w.settle();
    expect(w.pod).toBeDefined();
    expect(w.object.status?.firstStartDeadline).toBeUndefined();
  });

  test('is made after 60 seconds, whoever is still getting it', () => {
    const w = world();
    w.settle();
    w.pass(59);
    expect(w.pod).toBeUndefined();
    w.pass(1);
    expect(w.pod).toBeDefined();
  });

  test.each([600, -600])('waits no longer for a leader whose clock is %i s ahead of the next one', (skewSeconds) => {
    const w = world();
    const { now } = w;
    w.now = new Date(now.getTime() + skewSeconds * 1000);
    w.settle();
    w.now = now;
    w.settle();
    expect(w.pod === undefined).toBe(skewSeconds > 0);
    const writes = w.statusWrites;
    w.pass(59);
    expect([w.pod === undefined, skewSeconds < 0 || w.statusWrites === writes]).toEqual([skewSeconds > 0, true]);
    w.pass(1);
    expect(w.pod).toBeDefined();
  });

  test('writes its status once for the whole wait', () => {
    const w = world();
    w.settle();
    const before = w.statusWrites;
    w.pass(50);
    expect(w.statusWrites).toBe(before);
  });

  test('waits once, also when something else keeps the Pod from being made then', () => {
    const w = world();
    w.refusal = () => 'exceeded quota';
    w.settle();
    w.pass(61);
    expect(w.condition('Ready')).toBe('False/PodForbidden');
    w.pass(30);
    w.refusal = () => undefined;
    w.settle();
    expect(w.pod).toBeDefined();
  });

  test('waits from when the first node has the image, not from when the container was made', () => {
    const w = world();
    w.nodes = [node('node-1'), node('node-2'), node('node-3')];
    w.getting = ['node-1', 'node-2', 'node-3'];
    w.settle();
    w.pass(300, 10);
    expect(w.condition('Upgraded')).toBe('Unknown/WaitingForNode');
    w.nodes = [node('node-1', ['os:v1']), node('node-2'), node('node-3')];
    w.settle();
    expect(w.object.status?.firstStartDeadline).toBe('2026-01-01T00:06:00Z');
    expect(w.pod).toBeUndefined();
  });

  test('waits for nodes that are getting its software', () => {
    const w = world({ software: [{ name: 'jdk', osImage: 'jdk:21' }] });
    w.nodes = [node('node-1', ['os:v1', 'jdk:21']), node('node-2', ['os:v1']), node('node-3', ['os:v1'])];
    w.settle();
    expect(w.condition('Ready')).toBe('False/WaitingForDistribution');
    expect(message(w, 'Ready')).toContain('os:v1, jdk:21');
  });
});

describe('does not wait:', () => {
  test.each<[string, (w: World) => void]>([
    ['no other node is getting the image (failed, silent, unreachable or not selected)', (w) => (w.getting = [])],
    [
      'the nodes that are getting it do not fit its selector',
      (w) => w.edit({ podTemplate: { ...podTemplate, nodeSelector: { 'kubernetes.io/hostname': 'node-1' } } }),
    ],
    [
      'its data is on one node',
      (w) => {
        const here = { key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-1'] };
        w.edit({ data: { claimName: 'data' } });
        w.data = () => ({ affinity: { nodeSelectorTerms: [{ matchExpressions: [here] }] } });
      },
    ],
    [
      'the others are cordoned',
      (w) => (w.nodes = w.nodes.map((it, i) => (i === 0 ? it : { ...it, spec: { unschedulable: true } }))),
    ],
  ])('%s', (_name, change) => {
    const w = world();
    change(w);
    w.settle();
    expect(w.pod).toBeDefined();
  });

  test('an upgrade, a revert, or the loss of a Pod', () => {
    const w = world();
    w.getting = [];
    w.settle();
    w.pass(15);
    w.getting = ['node-2', 'node-3'];
    w.nodes = [node('node-1', ['os:v1', 'os:v2']), node('node-2'), node('node-3')];
    w.pod = undefined;
    w.settle();
    expect(w.pod).toBeDefined();
    w.behaviours.set('os:v2', 'crashes');
    w.edit({ image: 'os:v2' });
    w.settle();
    expect(w.image).toBe('os:v2');
    w.pass(30);
    expect(w.image).toBe('os:v1');
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('a first version that failed, and is tried in another shape', () => {
    const w = world();
    w.getting = [];
    w.behaviours.set('os:v1', 'crashes');
    w.settle();
    w.pass(30);
    w.getting = ['node-2', 'node-3'];
    w.behaviours.set('os:v1', 'good');
    w.edit({ command: ['/usr/sbin/other'] });
    w.pass(15);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });
});
