import { describe, expect, test } from 'vitest';
import { node, osImage } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import type { OSImage } from '../../api/osimage.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const names = ['os:v1', 'os:v2', 'os:v2-renamed', 'os:v3'];
const withDigest = (image: OSImage, digest: string): OSImage => ({ ...image, status: { ...image.status, digest } });

/** The node; `os:v2`, also under its other name, is stored with bytes of this digit. */
function nodeWith(digit = '2', spec: Node['spec'] = {}): Node {
  const it = node('node-1', names, spec);
  const labels = { 'image.monoroot.dev/os.v2': digit.repeat(12), 'image.monoroot.dev/os.v2-renamed': digit.repeat(12) };
  return { ...it, metadata: { ...it.metadata, labels: { ...it.metadata.labels, ...labels } } };
}

/** A container that is good on v1, on its way to v2. */
function world(): World {
  const w = new World({ image: 'os:v1' });
  for (const name of names) w.images.set(name, osImage(name));
  for (const name of ['os:v2', 'os:v2-renamed'])
    w.images.set(name, withDigest(osImage(name), `sha256:${'2'.repeat(64)}`));
  w.nodes = [nodeWith()];
  w.settle();
  w.pass(15);
  return w;
}

const fails = (w: World) => (w.object.status?.failedImages ?? []).map(({ image }) => image);

/** What happens, in which order; and which image runs well in the end. */
const orders: [string, string, (w: World) => void][] = [
  [
    'an evicted Pod, the same bytes under another name, and the Pod evicted again',
    'os:v2-renamed',
    (w) => {
      w.behaviours.set('os:v2', 'evicted').set('os:v2-renamed', 'evicted');
      w.edit({ image: 'os:v2' });
      w.pass(30);
      w.edit({ image: 'os:v2-renamed' });
      w.pass(30);
      w.behaviours.clear();
    },
  ],
  [
    'suspended in the pause after an eviction, and asked for again with another command',
    'os:v2',
    (w) => {
      w.behaviours.set('os:v2', 'evicted');
      w.edit({ image: 'os:v2' });
      w.pass(90);
      w.edit({ suspend: true });
      w.pass(30);
      w.behaviours.clear();
      w.edit({ suspend: false, command: ['/usr/bin/other'] });
    },
  ],
  [
    'taken back and asked for again while the Pod is being replaced, and deleted by somebody in between',
    'os:v2',
    (w) => {
      w.edit({ image: 'os:v2' });
      w.reconcile();
      w.edit({ image: 'os:v1' });
      w.reconcile();
      w.deletePod(true);
      w.edit({ image: 'os:v2' });
    },
  ],
  [
    'the node dies in the attempt, its Pod is deleted, and the version asked for is another one when it is back',
    'os:v3',
    (w) => {
      w.behaviours.set('os:v2', 'never-ready');
      w.edit({ image: 'os:v2' });
      w.pass(250, 5);
      w.isCutOff = true;
      w.nodes = [nodeWith('2', { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] })];
      w.reconcile();
      w.deletePod();
      w.pass(60, 5);
      w.edit({ image: 'os:v3' });
      w.isCutOff = false;
      w.nodes = [nodeWith()];
    },
  ],
  [
    'the image is made again with other bytes in the attempt, while the operator changes',
    'os:v2',
    (w) => {
      w.behaviours.set('os:v2', 'never-ready');
      w.edit({ image: 'os:v2' });
      w.pass(290, 5);
      w.images.set('os:v2', withDigest(osImage('os:v2'), `sha256:${'9'.repeat(64)}`));
      w.nodes = [nodeWith('9')];
      w.leadingSince = w.now;
      w.settle();
      w.behaviours.clear();
    },
  ],
  [
    'the way back is gone, then the attempt is evicted, then the way back is there again',
    'os:v2',
    (w) => {
      w.behaviours.set('os:v2', 'evicted');
      w.images.delete('os:v1');
      w.edit({ image: 'os:v2' });
      w.pass(30);
      w.images.set('os:v1', osImage('os:v1'));
      w.pass(200, 5);
      w.behaviours.clear();
    },
  ],
  [
    'a quota shuts the way forward just when the Pod was deleted by a drain',
    'os:v2',
    (w) => {
      w.refusal = () => 'pods "web" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1';
      w.edit({ image: 'os:v2' });
      w.pass(10);
      w.deletePod();
      w.pass(300, 5);
      w.refusal = () => undefined;
    },
  ],
  [
    'clocks: the leader changes twice in an attempt, ten minutes ahead and back, while somebody deletes the Pod',
    'os:v2',
    (w) => {
      w.behaviours.set('os:v2', 'never-ready');
      w.edit({ image: 'os:v2' });
      for (const skew of [600, -600]) {
        w.pass(60, 5);
        w.now = new Date(w.now.getTime() + skew * 1000);
        w.leadingSince = w.now;
        w.deletePod(true);
        w.settle();
      }
      w.behaviours.clear();
    },
  ],
];

describe('a container', () => {
  test.each(orders)('%s: it comes to run %s, and blames no image', (_name, image, happens) => {
    const w = world();
    happens(w);
    w.settle();
    w.pass(3 * 3600, 30);
    expect([w.image, w.object.spec.image, fails(w)]).toEqual([image, image, []]);
    expect([w.condition('Ready'), w.condition('Stalled')]).toEqual(['True/Running', 'False/NotStalled']);
    expect(w.object.status?.attempt).toBeUndefined();
    expectValidStatus(w.object);
    const writes = w.statusWrites;
    w.pass(3600, 60);
    expect(w.statusWrites).toBe(writes);
  });
});
