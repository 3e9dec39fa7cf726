import { describe, expect, test } from 'vitest';
import { node, osImage, sha256Of } from '../../../test/fixtures/builders.ts';
import { World } from '../../../test/fixtures/world.ts';
import type { Behaviour } from '../../../test/fixtures/world.ts';
import type { HostedContainerSpec } from '../../api/hostedcontainer.ts';
import { annotations, imageLabelPrefix } from '../../api/names.ts';
import { expectValidStatus } from '../../runtime/status.ts';

const versions = ['os:v1', 'os:v2', 'os:v3', 'os:v4'];

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
  w.defaults.set('os', 'v1');
  w.settle();
  w.pass(15);
  expect(w.object.status?.lastKnownGoodImage).toBe('os:v1');
  return w;
}

/** The OSImage of that name is made again from another archive, which the nodes have. */
function recreate(w: World, name: string, sha256 = sha256Of(`${name} made again`)): void {
  const image = osImage(name, { spec: { source: { http: { url: 'http://web/other.tar', sha256 } } } });
  w.images.set(name, { ...image, status: { ...image.status, digest: `sha256:${sha256}` } });
  const label = `${imageLabelPrefix}${name.replace(':', '.')}`;
  w.nodes = w.nodes.map((it) => ({
    ...it,
    metadata: { ...it.metadata, labels: { ...it.metadata.labels, [label]: sha256.slice(0, 12) } },
  }));
}

const condemn = (w: World, name: string) => {
  const image = osImage(name);
  w.images.set(name, {
    ...image,
    metadata: { ...image.metadata, annotations: { [annotations.condemned]: 'it ate data' } },
  });
};
const assign = (w: World, assignedImage: string) => {
  w.object = { ...w.object, status: { ...w.object.status, assignedImage } };
};

describe('without a Pod, and the way forward shut, the last known good runs', () => {
  interface Way {
    name: string;
    spec?: Partial<HostedContainerSpec>;
    shut: (w: World) => void;
    /** The condition that tells it. */
    told: [string, string];
    open: (w: World) => void;
  }
  const ways: Way[] = [
    {
      name: 'no node has the version yet',
      shut: (w) => {
        w.nodes = [node('node-1', ['os:v1'])];
        w.edit({ image: 'os:v2' });
      },
      told: ['Upgraded', 'Unknown/WaitingForNode'],
      open: (w) => (w.nodes = [node('node-1', versions)]),
    },
    {
      name: 'the version does not exist',
      shut: (w) => {
        w.images.delete('os:v2');
        w.edit({ image: 'os:v2' });
      },
      told: ['ImageResolved', 'False/UnknownImage'],
      open: (w) => w.images.set('os:v2', osImage('os:v2')),
    },
    {
      name: 'the version is not Ready',
      shut: (w) => {
        w.images.set('os:v2', osImage('os:v2', { ready: false }));
        w.edit({ image: 'os:v2' });
      },
      told: ['ImageResolved', 'False/ImageNotReady'],
      open: (w) => w.images.set('os:v2', osImage('os:v2')),
    },
    {
      name: 'the version is condemned',
      shut: (w) => {
        condemn(w, 'os:v2');
        w.edit({ image: 'os:v2' });
      },
      told: ['ImageResolved', 'False/ImageCondemned'],
      open: (w) => w.images.set('os:v2', osImage('os:v2')),
    },
    {
      name: 'the specification makes no sense for the version',
      spec: { resources: { limits: { memory: '200Mi' } } },
      shut: (w) => {
        w.images.set('os:v2', osImage('os:v2', { spec: { writable: [{ path: '/var', size: '200Mi' }] } }));
        w.edit({ image: 'os:v2' });
      },
      told: ['Upgraded', 'Unknown/InvalidSpec'],
      open: (w) => w.images.set('os:v2', osImage('os:v2')),
    },
  ];

  test.each(ways)('when $name', ({ spec, shut, told: [type, reason], open }) => {
    const w = running(spec);
    shut(w);
    w.pass(5);
    expect([w.image, w.condition('Ready')]).toEqual(['os:v1', 'True/Running']);
    w.pod = undefined; // a drain, or a node that died
    w.pass(5);
    expect([w.image, w.condition('Ready')]).toEqual(['os:v1', 'True/Running']);
    expect(w.condition(type)).toBe(reason);
    expect(w.object.status?.failedImages ?? []).toEqual([]);
    expectValidStatus(w.object);
    const writes = w.statusWrites;
    w.pass(600, 30);
    expect(w.statusWrites).toBe(writes);

    open(w);
    w.pass(20);
    expect(w.object.status?.lastKnownGoodImage).toBe('os:v2');
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('when the version that a rollout assigned was withdrawn, which is then assigned no more', () => {
    const w = running({ image: 'os' });
    w.nodes = [node('node-1', ['os:v1'])];
    assign(w, 'os:v2');
    w.pass(5);
    expect(w.object.status?.assignedImage).toBe('os:v2');
    w.images.delete('os:v2');
    w.pod = undefined;
    w.pass(5);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1', lastKnownGoodImage: 'os:v1' });
    expect(w.condition('ImageResolved')).toBe('True/DefaultVersion');
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'True/UpToDate']);
    expect([w.condition('Stalled'), w.condition('Reconciling')]).toEqual(['False/NotStalled', 'False/Settled']);
  });

  test('but not when a first version waits: there is none', () => {
    const w = world();
    w.nodes = [node('node-1')];
    w.pass(5);
    expect(w.pod).toBeUndefined();
    expect(w.condition('Ready')).toBe('False/PodPending');
  });

  test('and a follower whose good version is gone too starts on the default one', () => {
    const w = running({ image: 'os' });
    w.images.delete('os:v1');
    w.defaults.set('os', 'v3');
    w.pod = undefined;
    w.pass(20);
    expect(w.object.status).toMatchObject({ image: 'os:v3', assignedImage: 'os:v3', lastKnownGoodImage: 'os:v3' });
  });
});

describe('an image is its bytes', () => {
  test('the last known good has a digest', () => {
    const w = running();
    expect(w.object.status?.lastKnownGoodDigest).toBe(`sha256:${sha256Of('os:v1')}`);
  });

  test('a status of an earlier version of the operator gets the digest, and no restart', () => {
    const w = running();
    const before = w.pod?.metadata.uid;
    const { lastKnownGoodDigest: digest, ...earlier } = w.object.status ?? {};
    w.object = { ...w.object, status: earlier };
    w.pass(60);
    expect(w.object.status?.lastKnownGoodDigest).toBe(digest);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.notes.map(({ reason }) => reason)).toEqual(['StartBegan', 'Started']);
  });

  test('another archive under the same name is an attempt, and becomes the last known good when it is good', () => {
    const w = running();
    recreate(w, 'os:v1');
    w.reconcile();
    expect(w.condition('Upgraded')).toBe('Unknown/InProgress');
    expect(w.object.status).toMatchObject({ targetImage: 'os:v1', lastKnownGoodImage: 'os:v1' });
    w.pass(20);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.object.status?.lastKnownGoodDigest).toBe(`sha256:${sha256Of('os:v1 made again')}`);
    expect(w.object.status?.history?.map(({ outcome }) => outcome)).toEqual(['Succeeded', 'Succeeded']);
    expect(w.notes.map(({ reason }) => reason).slice(-2)).toEqual(['UpgradeStarted', 'UpgradeSucceeded']);
  });

  test('that fails goes back to the bytes that ran well, under whatever name they are', () => {
    const w = running();
    const copy = osImage('os:v1-again');
    w.images.set('os:v1-again', { ...copy, status: { ...copy.status, digest: `sha256:${sha256Of('os:v1')}` } });
    recreate(w, 'os:v1');
    const { nodes } = w;
    const label = `${imageLabelPrefix}os.v1-again`;
    w.nodes = nodes.map((it) => ({
      ...it,
      metadata: { ...it.metadata, labels: { ...it.metadata.labels, [label]: sha256Of('os:v1').slice(0, 12) } },
    }));
    w.behaviours.set('os:v1', 'crashes');
    w.pass(30);
    expect(w.object.status).toMatchObject({ image: 'os:v1-again', digest: `sha256:${sha256Of('os:v1')}` });
    expect(w.object.spec.image).toBe('os:v1-again');
    expect(w.condition('Ready')).toBe('True/Running');
    expect(w.object.status?.failedImages?.[0]).toMatchObject({ image: 'os:v1', attempts: 1 });
    expect(w.specWrites).toBe(1);
    const writes = w.statusWrites;
    w.pass(600, 30);
    expect(w.statusWrites).toBe(writes);
  });

  test('that failed, and is made again with the old bytes, is as it was, and the failure is history', () => {
    const w = running();
    const first = w.images.get('os:v1');
    const { nodes } = w;
    recreate(w, 'os:v1');
    w.behaviours.set('os:v1', 'crashes');
    w.pass(30);
    expect(w.condition('Stalled')).toBe('True/Failed');
    if (first) w.images.set('os:v1', first);
    w.nodes = nodes;
    w.behaviours.delete('os:v1');
    w.pass(30);
    expect(w.object.status?.history?.map(({ image, digest, outcome }) => [image, digest, outcome])).toEqual([
      ['os:v1', `sha256:${sha256Of('os:v1 made again')}`, 'Reverted'],
      ['os:v1', `sha256:${sha256Of('os:v1')}`, 'Succeeded'],
    ]);
    expect([w.condition('Ready'), w.condition('Upgraded')]).toEqual(['True/Running', 'True/UpToDate']);
    expect(w.condition('Stalled')).toBe('False/NotStalled');
    expect(w.notes.at(-1)?.note).toMatch(/^Went back from os:v1 \(sha256:[0-9a-f]{12}…\) to os:v1\. CrashLooping/);
    const writes = w.statusWrites;
    w.pass(600, 30);
    expect(w.statusWrites).toBe(writes);
  });

  test('that fails when the old bytes exist nowhere any more stays, and says what would help', () => {
    const w = running();
    recreate(w, 'os:v1');
    w.behaviours.set('os:v1', 'crashes');
    w.pass(30);
    expect(w.pod).toBeDefined();
    expect(w.condition('Stalled')).toBe('True/Failed');
    const message = w.object.status?.conditions?.find(({ type }) => type === 'Stalled')?.message;
    expect(message).toContain(
      `os:v1 (sha256:${sha256Of('os:v1').slice(0, 12)}…) ran well, but no OSImage has these bytes any more`,
    );
    // The archive that ran well is published again.
    recreate(w, 'os:v1', sha256Of('os:v1'));
    w.behaviours.delete('os:v1');
    w.pass(30);
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
    expect(w.condition('Stalled')).toBe('False/NotStalled');
  });

  test('a condemned archive is not one that ran well because its name did', () => {
    const w = running();
    recreate(w, 'os:v1');
    const again = w.images.get('os:v1');
    if (again) {
      const metadata = { ...again.metadata, annotations: { [annotations.condemned]: 'it ate data' } };
      w.images.set('os:v1', { ...again, metadata });
    }
    w.pass(15);
    expect(w.condition('ImageResolved')).toBe('False/ImageCondemned');
    expect(w.object.status?.digest).toBe(`sha256:${sha256Of('os:v1')}`);
    expect(w.condition('Ready')).toBe('True/Running');
  });
});

describe('following begins where one is', () => {
  test('a container that names no version any more keeps what it runs, whatever the default is', () => {
    const w = running();
    w.defaults.set('os', 'v3');
    const before = w.pod?.metadata.uid;
    w.edit({ image: 'os' });
    w.pass(60);
    expect(w.pod?.metadata.uid).toBe(before);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1' });
    expect(w.condition('ImageResolved')).toBe('True/DefaultVersion');
    expect(w.condition('Upgraded')).toBe('True/UpToDate');
  });

  test('also when there is no default version at all', () => {
    const w = running();
    w.defaults.delete('os');
    w.edit({ image: 'os' });
    w.pass(20);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1' });
  });

  test('and goes where a rollout moves it', () => {
    const w = running();
    w.defaults.set('os', 'v3');
    w.edit({ image: 'os' });
    w.pass(5);
    assign(w, 'os:v3');
    w.pass(20);
    expect(w.object.status).toMatchObject({ image: 'os:v3', lastKnownGoodImage: 'os:v3' });
  });

  test('an attempt that is under way goes on, and back to the last known good when it fails', () => {
    const w = running({}, { 'os:v2': 'never-ready' });
    w.edit({ image: 'os:v2' });
    w.pass(5);
    const before = w.pod?.metadata.uid;
    w.edit({ image: 'os' });
    w.pass(5);
    expect([w.image, w.pod?.metadata.uid]).toEqual(['os:v2', before]);
    w.pass(400, 5);
    expect(w.object.status).toMatchObject({ image: 'os:v1', assignedImage: 'os:v1' });
    expect(w.condition('Ready')).toBe('True/Running');
  });

  test('another operating system begins with its default version', () => {
    const w = running();
    w.images.set('suse:v7', osImage('suse:v7'));
    w.nodes = [node('node-1', [...versions, 'suse:v7'])];
    w.defaults.set('suse', 'v7');
    w.edit({ image: 'suse' });
    w.pass(20);
    expect(w.object.status).toMatchObject({ image: 'suse:v7', assignedImage: 'suse:v7' });
  });
});
