import { describe, expect, test } from 'vitest';
import {
  builtImage,
  container,
  distribution,
  node,
  nodeStore,
  osImage,
  sha256Of,
  stored,
} from '../../../test/fixtures/builders.ts';
import { asCached, seenAt } from '../../../test/fixtures/cached.ts';
import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import type { ImageDistribution, ImageDistributionSpec } from '../../api/imagedistribution.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import { imageLabel, imageName } from '../../api/images.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import { currentImageLabels } from './labels.ts';
import { planFleet as planCached, slots } from './plan.ts';
import type { Fleet } from './observed.ts';

const planFleet = (f: Fleet) => planCached(asCached(f));
const names = (count: number) => Array.from({ length: count }, (_, i) => `n${String(i + 1).padStart(3, '0')}`);
const labelOf = (image: string) => {
  const [os = '', version = ''] = image.split(':');
  return imageLabel({ os, version, digest: `sha256:${sha256Of(image)}` });
};
const runs = (nodeName: string, status: HostedContainerStatus) =>
  container({ image: 'os:v1' }, { nodeName, ...status });

/** A fleet whose stores are given as a list. */
const fleet = (o: Partial<Omit<Fleet, 'stores'>> & { stores?: readonly NodeStore[] }): Fleet => ({
  nodes: [node('n1')],
  images: [osImage('os:v1'), osImage('os:v2')],
  distributions: [],
  containers: [],
  pods: new Map(),
  now: Date.parse('2026-01-01T00:00:00Z'),
  ...o,
  stores: new Map((o.stores ?? []).map((store) => [store.metadata.name, store])),
});
/** By node the names of the images that it is asked to store. */
const desired = (f: Fleet) =>
  Object.fromEntries(planFleet(f).map((plan) => [plan.node.metadata.name, plan.images.map(imageName)]));
const nodesAssigned = (f: Fleet, image = 'os:v1') =>
  Object.entries(desired(f)).filter(([, images]) => images.includes(image)).map(([name]) => name); // prettier-ignore
const labelsOf = (f: Fleet, name = 'n1') => planFleet(f).find((plan) => plan.node.metadata.name === name)?.labels;

describe('distributions', () => {
  test('a node that nothing is distributed to stores nothing', () => {
    expect(desired(fleet({}))).toEqual({ n1: [] });
  });

  test('all images of a node, sorted, each once', () => {
    const distributions = [distribution('os:v2'), distribution('os:v1'), distribution('os:v1')];
    expect(desired(fleet({ distributions }))).toEqual({ n1: ['os:v1', 'os:v2'] });
  });

  test.each<[string, Node, Partial<ImageDistributionSpec>, boolean]>([
    ['a node that it selects', node('n1', [], {}, { pool: 'a' }), { selector: { matchLabels: { pool: 'a' } } }, true],
    ['not one that it does not select', node('n1'), { selector: { matchLabels: { pool: 'a' } } }, false],
    ['a cordoned node too', node('n1', [], { unschedulable: true }), {}, true],
    ['not a node of another architecture', node('n1', [], {}, { 'kubernetes.io/arch': 'arm64' }), {}, false],
    ['not a tainted node', node('n1', [], { taints: [{ key: 'k', effect: 'NoExecute' }] }), {}, false],
    [
      'a tainted node that it tolerates',
      node('n1', [], { taints: [{ key: 'k', effect: 'NoExecute' }] }),
      { tolerations: [{ operator: 'Exists' }] },
      true,
    ],
  ])('tell %s', (_name, it, spec, expected) => {
    expect(desired(fleet({ nodes: [it], distributions: [distribution('os:v1', spec)] }))).toEqual({
      n1: expected ? ['os:v1'] : [],
    });
  });

  test('without an OSImage tell nothing', () => {
    expect(desired(fleet({ distributions: [distribution('os:v9')] }))).toEqual({ n1: [] });
  });

  test('take the image off the nodes when they are deleted, as soon as the deletion begins', () => {
    const gone = distribution('os:v1');
    gone.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])];
    expect(desired(fleet({ stores, distributions: [gone] }))).toEqual({ n1: [] });
    expect(desired(fleet({ stores }))).toEqual({ n1: [] });
  });

  test('take the image off a node that is not selected any more, and leave it on the others', () => {
    const nodes = [node('n1', ['os:v1']), node('n2', ['os:v1'], {}, { pool: 'a' })];
    const stores = ['n1', 'n2'].map((name) => nodeStore(name, ['os:v1'], [stored('os:v1', 'Ready')]));
    const distributions = [distribution('os:v1', { selector: { matchLabels: { pool: 'a' } } })];
    expect(desired(fleet({ nodes, stores, distributions }))).toEqual({ n1: [], n2: ['os:v1'] });
  });

  test('hand on source, digest, mount script and limits', () => {
    const image = osImage('os:v1', { spec: { mountScript: 'true' } });
    const download = { timeoutSeconds: 60, backoffLimit: 1, bytesPerSecond: '1.5M' };
    const distributions = [distribution('os:v1', { download }), distribution('os:v1')];
    const [plan] = planFleet(fleet({ images: [image], distributions }));
    expect(plan?.images).toEqual([
      {
        os: 'os',
        version: 'v1',
        digest: image.status?.digest,
        source: image.spec.source,
        mountScript: 'true',
        timeoutSeconds: 60,
        backoffLimit: 1,
        bytesPerSecond: 1_500_000,
      },
    ]);
  });

  test.each([
    ['50M', 50_000_000],
    ['1Mi', 1_048_576],
    ['1000500m', 1000],
  ])('%s bytes per second are reported as %d', (bytesPerSecond, expected) => {
    const distributions = [
      distribution('os:v1', { download: { timeoutSeconds: 60, backoffLimit: 1, bytesPerSecond } }),
    ];
    expect(planFleet(fleet({ distributions }))[0]?.images[0]?.bytesPerSecond).toBe(expected);
  });

  test('tell nothing about bytes per second when there is no cap', () => {
    expect(planFleet(fleet({ distributions: [distribution('os:v1')] }))[0]?.images[0]).not.toHaveProperty(
      'bytesPerSecond',
    );
  });
});

test('an image of a registry is handed on with its digest', () => {
  const oci = { reference: 'registry.example.com/os:v1', digest: `sha256:${'1'.repeat(64)}`, plainHTTP: true };
  const image = osImage('os:v1', { spec: { source: { oci } } });
  const [plan] = planFleet(fleet({ images: [image], distributions: [distribution('os:v1')] }));
  expect(plan?.images).toMatchObject([{ digest: oci.digest, source: { oci } }]);
});

describe('an image that is tested first', () => {
  const verification = { command: ['/test'], timeoutSeconds: 1 };
  const nodes = names(3).map((name) => node(name));
  const distributions = [distribution('os:v1')];
  const build = { job: 'b', startTime: '2026-01-01T00:00:00Z', digest: `sha256:${sha256Of('os:v1')}` };
  const publication = { job: 'p', startTime: build.startTime, reference: 'registry.example.com/os/production/os:v1' };
  const external = (test?: OSImageStatus['verification']) => {
    const image = osImage('os:v1', { spec: { verification } });
    return { ...image, status: { ...image.status, ...(test && { verification: test }) } };
  };
  const built = (status: OSImageStatus) => ({ ...builtImage('os:v1', {}, { verification }), status });
  const passed = { node: 'n002', outcome: 'Passed' as const };

  test.each<[string, OSImage, ImageDistribution[], string[]]>([
    ['no node before one is chosen, whatever distributes it', external(), distributions, []],
    ['the chosen node alone', external({ node: 'n002' }), distributions, ['n002']],
    ['the chosen node, also when nothing distributes it', external({ node: 'n002' }), [], ['n002']],
    ['no one when it has failed', external({ node: 'n002', outcome: 'Failed' }), distributions, []],
    ['all when it has passed', external(passed), distributions, names(3)],
    ['no one when it has passed and nothing distributes it', external(passed), [], []],
    ['no one while it is not built', built({}), distributions, []],
    ['the chosen node when it is built', built({ build, verification: { node: 'n002' } }), distributions, ['n002']],
    [
      'the chosen node, which keeps it while it is being published',
      built({ build, verification: passed }),
      distributions,
      ['n002'],
    ],
    ['all when it is published', built({ build, verification: passed, publication }), distributions, names(3)],
  ])('is asked to %s', (_name, image, distributions, expected) => {
    expect(nodesAssigned(fleet({ nodes, images: [image], distributions }))).toEqual(expected);
  });

  test('labels its node, as the Pod that tests it asks for that', () => {
    const stores = [nodeStore('n002', ['os:v1'], [stored('os:v1', 'Ready')])];
    const f = fleet({ nodes, stores, images: [external({ node: 'n002' })] });
    expect(labelsOf(f, 'n002')).toEqual({ [labelOf('os:v1').key]: labelOf('os:v1').value });
  });

  test('is fetched as its distribution says, or as usual', () => {
    const download = { timeoutSeconds: 60, backoffLimit: 1 };
    const entry = (distributions: ImageDistribution[]) =>
      planFleet(fleet({ nodes, images: [external({ node: 'n001' })], distributions }))[0]?.images[0];
    expect(entry([distribution('os:v1', { download })])).toMatchObject(download);
    expect(entry([])).toMatchObject({ timeoutSeconds: 900, backoffLimit: 5 });
  });

  test('of a build changes its place in the registry when it is published, and not its digest', () => {
    const entry = (status: OSImageStatus) =>
      planFleet(fleet({ nodes, images: [built(status)], distributions }))[1]?.images[0];
    const [before, after] = [
      entry({ build, verification: { node: 'n002' } }),
      entry({ build, verification: passed, publication }),
    ];
    expect(before?.source.oci?.reference).toBe('registry.example.com/os/testing/os:v1');
    expect(after?.source.oci?.reference).toBe(publication.reference);
    expect([before?.digest, after?.digest]).toEqual([build.digest, build.digest]);
  });

  test('and that a container pins stays as it was asked for when its OSImage is made again and is not built', () => {
    const stores = [nodeStore('n001', ['os:v1'], [stored('os:v1', 'Ready')])];
    const containers = [runs('n001', { image: 'os:v1' })];
    expect(nodesAssigned(fleet({ nodes, stores, containers, images: [built({})], distributions }))).toEqual(['n001']);
  });
});

describe('parallelism', () => {
  test.each<[number | string, number, number]>([
    [10, 100, 10],
    [0, 100, 0],
    [200, 100, 200],
    ['25%', 100, 25],
    ['25%', 10, 2],
    ['10%', 3, 1],
    ['1%', 3, 1],
    ['100%', 3, 3],
    ['0%', 100, 0],
  ])('%s of %d nodes is %d at once', (parallelism, total, expected) => {
    expect(slots(parallelism, total)).toBe(expected);
  });

  const nodes = names(10).map((name) => node(name));
  const first = (count: number, state: StoredImage['state'] | undefined) =>
    names(count).map((name) => nodeStore(name, ['os:v1'], state ? [stored('os:v1', state)] : []));
  const told = (parallelism: number | string, stores: readonly NodeStore[]) =>
    nodesAssigned(fleet({ nodes, stores, distributions: [distribution('os:v1', { parallelism })] }));

  test.each<[string, number | string, NodeStore[], number]>([
    ['only so many nodes begin', 3, [], 3],
    ['no one begins while it is paused', 0, [], 0],
    ['no one begins while it is paused by 0%', '0%', [], 0],
    ['a percentage of the selected nodes begins', '40%', [], 4],
    ['no further node begins while the first ones fetch', 3, first(3, 'Fetching'), 3],
    ['nodes that were asked and have not answered hold their places', 3, first(3, undefined), 3],
    ['nodes that are done make room', 3, first(3, 'Ready'), 6],
    ['nodes that failed make room, so that one bad disk does not stop a fleet', 3, first(3, 'Failed'), 6],
    ['lowering it takes nothing from those that have begun', 1, first(3, 'Fetching'), 3],
    ['pausing takes nothing from those that have it', 0, first(3, 'Ready'), 3],
    ['all have it', 1, first(10, 'Ready'), 10],
  ])('%s', (_name, parallelism, stores, count) => {
    expect(told(parallelism, stores)).toEqual(names(count));
  });

  test('planning again before anybody has answered tells the same nodes', () => {
    const once = told(4, []);
    expect(
      told(
        4,
        once.map((name) => nodeStore(name, ['os:v1'])),
      ),
    ).toEqual(once);
  });

  test('counts each image for itself', () => {
    const distributions = [distribution('os:v1', { parallelism: 2 }), distribution('os:v2', { parallelism: 3 })];
    const f = fleet({ nodes, distributions });
    expect([nodesAssigned(f).length, nodesAssigned(f, 'os:v2').length]).toEqual([2, 3]);
  });
});

describe('nodes that do not answer', () => {
  const taints = [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' as const }];
  const away = (name: string) => node(name, [], { taints });
  const distributions = [distribution('os:v1', { parallelism: 1 })];
  const at = Date.parse('2026-01-01T12:00:00Z');
  const fetching = (name: string, silentSeconds = 0) =>
    seenAt(nodeStore(name, ['os:v1'], [stored('os:v1', 'Fetching')]), at - silentSeconds * 1000);

  test('get no place: they could not use it', () => {
    expect(desired(fleet({ nodes: [away('n1'), node('n2')], distributions }))).toEqual({ n1: [], n2: ['os:v1'] });
  });

  test('hold no place of others, and keep what they were asked for', () => {
    const f = { nodes: [away('n1'), node('n2')], stores: [fetching('n1')], distributions, now: at };
    expect(desired(fleet(f))).toEqual({ n1: ['os:v1'], n2: ['os:v1'] });
  });

  test('are also those whose agent says nothing for longer than any try takes', () => {
    const nodes = [node('n1'), node('n2')];
    expect(nodesAssigned(fleet({ nodes, stores: [fetching('n1', 1199)], distributions, now: at }))).toEqual(['n1']);
    expect(nodesAssigned(fleet({ nodes, stores: [fetching('n1', 1201)], distributions, now: at }))).toEqual([
      'n1',
      'n2',
    ]);
  });

  test('are looked for again while somebody has to get something', () => {
    const done = (f: Fleet) => planFleet(f).map((it) => it.done);
    expect(done(fleet({ stores: [fetching('n1')], distributions }))).toEqual([false]);
    const ready = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])];
    expect(done(fleet({ stores: ready, distributions }))).toEqual([true]);
  });
});

describe('limits and sizes', () => {
  const entryOf = (f: Fleet, name = 'n1') => planFleet(f).find((it) => it.node.metadata.name === name)?.images[0];
  const nodes = [node('n1', [], {}, { pool: 'a' }), node('n2', [], {}, { pool: 'b' })];

  test('are those of the distribution that selects the node', () => {
    const of = (pool: string, timeoutSeconds: number) => {
      const it = distribution('os:v1', {
        selector: { matchLabels: { pool } },
        download: { timeoutSeconds, backoffLimit: 1 },
      });
      return { ...it, metadata: { ...it.metadata, name: pool } };
    };
    const both = [of('a', 10), of('b', 20)];
    for (const distributions of [both, [...both].reverse()]) {
      const f = fleet({ nodes, distributions });
      expect([entryOf(f)?.timeoutSeconds, entryOf(f, 'n2')?.timeoutSeconds]).toEqual([10, 20]);
    }
  });

  const distributions = [distribution('os:v1')];
  const has = (unpackedBytes: number, extra: Partial<StoredImage> = {}) =>
    nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready', { unpackedBytes, ...extra })]);

  const sizeOf = (stores: NodeStore[]) => entryOf(fleet({ nodes, stores, distributions }), 'n2')?.unpackedBytes;
  const alsoHas = (unpackedBytes: number, name = 'n3') => {
    const it = has(unpackedBytes);
    return { ...it, metadata: { ...it.metadata, name } };
  };

  test('a size that two nodes have reported is passed on to those that have the image not yet, of these the smaller', () => {
    const f = fleet({ nodes, stores: [has(7), alsoHas(8)], distributions });
    expect([entryOf(f)?.unpackedBytes, entryOf(f, 'n2')?.unpackedBytes]).toEqual([undefined, 7]);
  });

  test('one node that lies keeps the image from no other, whatever it says and when', () => {
    expect(sizeOf([has(2 ** 44)])).toBeUndefined();
    expect(sizeOf([has(2 ** 44), alsoHas(7)])).toBe(7);
    expect(sizeOf([has(2 ** 44), alsoHas(7), alsoHas(7, 'n4')])).toBe(7);
    expect(sizeOf([has(0), alsoHas(7), alsoHas(7, 'n4')])).toBe(7);
  });

  test('a size of other bytes is not', () => {
    const other = { digest: `sha256:${'0'.repeat(64)}` };
    const also = has(7, other);
    const stores = [has(7, other), { ...also, metadata: { ...also.metadata, name: 'n3' } }];
    expect(sizeOf(stores)).toBeUndefined();
  });

  test('a size is said once, and only lowered', () => {
    const told = nodeStore('n2', ['os:v1'], [stored('os:v1', 'Fetching')]);
    told.spec.images = told.spec.images.map((image) => ({ ...image, unpackedBytes: 7 }));
    expect(sizeOf([has(8), alsoHas(8), told])).toBe(7);
    expect(sizeOf([has(5), alsoHas(8), told])).toBe(5);
    expect(sizeOf([told])).toBe(7);
  });
});

describe('retained versions', () => {
  const images = ['v1', 'v2', 'v3', 'v4'].map((version) => osImage(`os:${version}`));
  const has = (...versions: string[]) => versions.map((version) => stored(`os:${version}`, 'Ready'));
  /** Was edited from v3 to v4, and before from v1 over v2 to v3; the status does not know of v4 yet. */
  const edited = (spec: Partial<ImageDistributionSpec> = {}) =>
    distribution('os:v4', spec, { image: 'os:v3', previousImages: ['os:v2', 'os:v1'] });
  const f = (o: Parameters<typeof fleet>[0]) =>
    fleet({ images, distributions: [edited()], stores: [nodeStore('n1', ['os:v3'], has('v1', 'v2', 'v3'))], ...o });
  /** By version, in parentheses when it is only retained. */
  const kept = (o: Parameters<typeof fleet>[0] = {}) =>
    planFleet(f(o))[0]?.images.map(({ version, retained }) => (retained ? `(${version})` : version));

  test('are the most recent ones that the node has, from the moment of the edit', () => {
    expect(kept()).toEqual(['(v2)', '(v3)', 'v4']);
    expect(Object.keys(labelsOf(f({})) ?? {})).toEqual(['image.monoroot.dev/os.v2', 'image.monoroot.dev/os.v3']);
  });

  test.each<[string, Parameters<typeof fleet>[0], string[]]>([
    ['are none when none are asked for', { distributions: [edited({ retainVersions: 0 })] }, ['v4']],
    [
      'are as many as are asked for',
      { distributions: [edited({ retainVersions: 9 })] },
      ['(v1)', '(v2)', '(v3)', 'v4'],
    ],
    ['are not fetched', { stores: [] }, ['v4']],
    [
      'are older ones where the newer are not',
      { stores: [nodeStore('n1', [], has('v1', 'v3'))] },
      ['(v1)', '(v3)', 'v4'],
    ],
    [
      'do not come back once they are given up',
      { stores: [nodeStore('n1', ['os:v3'], [stored('os:v3', 'Deleting'), ...has('v2')])] },
      ['(v2)', 'v4'],
    ],
    [
      'are of the same bytes',
      { stores: [nodeStore('n1', [], [stored('os:v3', 'Ready', { digest: `sha256:${'0'.repeat(64)}` })])] },
      ['v4'],
    ],
    ['need an OSImage', { images: images.filter(({ spec }) => spec.version !== 'v3') }, ['(v1)', '(v2)', 'v4']],
    [
      'go where the distribution selects no more',
      { distributions: [edited({ selector: { matchLabels: { a: 'b' } } })] },
      [],
    ],
    ['go with the distribution', { distributions: [] }, []],
    ['stay while it is paused', { distributions: [edited({ parallelism: 0 })] }, ['(v2)', '(v3)']],
    ['are besides those in use', { containers: [runs('n1', { image: 'os:v3' })] }, ['(v1)', '(v2)', 'v3', 'v4']],
    [
      'are besides those that another distribution wants',
      { distributions: [edited(), distribution('os:v2')] },
      ['(v1)', 'v2', '(v3)', 'v4'],
    ],
    [
      'never have the default version among them',
      {
        distributions: [
          edited(),
          distribution(
            'os:v3',
            { activate: { newContainers: true }, selector: { matchLabels: { pool: 'another' } } },
            { activeImage: 'os:v3', activationTime: '2026-01-01T00:00:00Z' },
          ),
        ],
      },
      ['(v2)', 'v3', 'v4'],
    ],
    [
      'also when none are asked for have the default version besides',
      {
        distributions: [
          distribution(
            'os:v4',
            { retainVersions: 0, activate: { newContainers: true } },
            { image: 'os:v3', activeImage: 'os:v3', activationTime: '2026-01-01T00:00:00Z' },
          ),
        ],
      },
      ['v3', 'v4'],
    ],
  ])('%s', (_name, o, expected) => expect(kept(o)).toEqual(expected));

  test('that were given up and are wanted again wait for a place like any other', () => {
    const store = nodeStore('n1', ['os:v3'], []);
    store.spec.images = store.spec.images.map((image) => ({ ...image, retained: true }));
    expect(kept({ stores: [store], distributions: [distribution('os:v3', { parallelism: 0 })] })).toEqual([]);
  });

  test('are asked for the same again', () => {
    const [first] = planFleet(f({}));
    const store = nodeStore('n1', [], has('v1', 'v2', 'v3'));
    store.spec.images = first?.images ?? [];
    expect(planFleet(f({ stores: [store] }))[0]?.images).toEqual(first?.images);
  });
});

describe('pins', () => {
  const store = nodeStore('n1', ['os:v1', 'os:v2'], [stored('os:v1', 'Ready'), stored('os:v2', 'Ready')]);

  test('what a container runs and what it would go back to stay on its node, though nothing distributes them', () => {
    const containers = [runs('n1', { image: 'os:v2', lastKnownGoodImage: 'os:v1' })];
    expect(desired(fleet({ nodes: [node('n1'), node('n2')], stores: [store], containers }))).toEqual({
      n1: ['os:v1', 'os:v2'],
      n2: [],
    });
  });

  describe('the bytes that a container would go back to', () => {
    const old = `sha256:${sha256Of('os:v1')}`;
    const status = { image: 'os:v2', lastKnownGoodImage: 'os:v1', lastKnownGoodDigest: old };
    const containers = [runs('n1', status)];
    const withBytesOf = (image: OSImage, digest: string, ready = true): OSImage => ({
      ...image,
      spec: {
        ...image.spec,
        source: { http: { url: 'http://web/os.tar.zst', sha256: digest.slice('sha256:'.length) } },
      },
      status: { ...(ready ? image.status : {}), digest },
    });
    const remade = withBytesOf(osImage('os:v1'), `sha256:${'f'.repeat(64)}`);
    const first = withBytesOf(osImage('os:v7'), old);
    const second = withBytesOf(osImage('os:v8'), old);
    const elsewhere = withBytesOf(osImage('other:v1'), old);

    test.each<[string, OSImage[], string[]]>([
      ['their own name', [osImage('os:v1'), first], ['os:v1', 'os:v2']],
      ['another one, when theirs means other bytes', [remade, second, first], ['os:v2', 'os:v7']],
      ['another one, when theirs is gone', [first], ['os:v2', 'os:v7']],
      ['the one that can be used', [remade, withBytesOf(osImage('os:v7'), old, false), second], ['os:v2', 'os:v8']],
      ['another one that no node has yet', [remade, withBytesOf(osImage('os:v7'), old, false)], ['os:v2', 'os:v7']],
      ['no name of another OS', [osImage('os:v1'), elsewhere], ['os:v1', 'os:v2']],
    ])('are kept under %s', (_case, images, expected) => {
      expect(desired(fleet({ images: [...images, osImage('os:v2')], stores: [store], containers }))).toEqual({
        n1: expected,
      });
    });

    test('are not fetched under a name that has not passed its test', () => {
      const untested = osImage('os:v7', {
        ready: false,
        spec: { verification: { command: ['/test'], timeoutSeconds: 60 } },
      });
      const images = [remade, withBytesOf(untested, old, false), osImage('os:v2')];
      expect(desired(fleet({ images, stores: [store], containers })).n1).not.toContain('os:v7');
    });

    test('stay on the node that ran them, while another image is tried elsewhere', () => {
      const moved = [runs('n2', { ...status, lastKnownGoodNode: 'n1' })];
      const f = { nodes: [node('n1'), node('n2')], images: [remade, first, osImage('os:v2')], stores: [store] };
      expect(desired(fleet({ ...f, containers: moved }))).toEqual({ n1: ['os:v7'], n2: ['os:v2', 'os:v7'] });
    });
  });

  test('a container without a node pins nothing', () => {
    expect(
      desired(fleet({ stores: [store], containers: [container({ image: 'os:v1' }, { image: 'os:v1' })] })),
    ).toEqual({ n1: [] });
  });

  test('a container that only asks for an image pins nothing', () => {
    expect(
      desired(fleet({ stores: [store], containers: [container({ image: 'os:v1' }, { nodeName: 'n1' })] })),
    ).toEqual({ n1: [] });
  });

  test('an image whose OSImage is deleted is reported as before while it is pinned, and gone after', () => {
    const images = [osImage('os:v2')];
    const pinned = planFleet(fleet({ images, stores: [store], containers: [runs('n1', { image: 'os:v1' })] }))[0]
      ?.images;
    expect(pinned).toEqual(store.spec.images.filter((i) => i.version === 'v1'));
    expect(desired(fleet({ images, stores: [store] }))).toEqual({ n1: [] });
  });

  test('a pin for an image that no one knows any more tells nothing that the API server would refuse', () => {
    expect(desired(fleet({ images: [], containers: [runs('n1', { image: 'os:v1' })] }))).toEqual({ n1: [] });
  });

  test('a pin waits for no place', () => {
    const containers = [runs('n1', { image: 'os:v1' })];
    expect(desired(fleet({ containers, distributions: [distribution('os:v1', { parallelism: 0 })] }))).toEqual({
      n1: ['os:v1'],
    });
  });
});

describe('labels', () => {
  const { key, value } = labelOf('os:v1');
  const distributions = [distribution('os:v1')];
  const withStore = (...images: StoredImage[]) =>
    fleet({ distributions, stores: [nodeStore('n1', ['os:v1'], images)] });

  test('a node says of itself what it is asked to store and completely has', () => {
    expect(labelsOf(withStore(stored('os:v1', 'Ready')))).toEqual({ [key]: value });
  });

  test.each<StoredImage['state']>(['Pending', 'Fetching', 'Failed', 'Deleting'])(
    'an image that is %s has no label',
    (state) => {
      expect(labelsOf(withStore(stored('os:v1', state)))).toEqual({});
    },
  );

  test('other bytes under the same name have no label', () => {
    expect(labelsOf(withStore(stored('os:v1', 'Ready', { digest: `sha256:${'0'.repeat(64)}` })))).toEqual({});
  });

  test('an image that is not wanted any more loses its label while it is still there', () => {
    expect(labelsOf(fleet({ stores: [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])] }))).toEqual({});
  });

  test('a node without a store has no label', () => {
    expect(labelsOf(fleet({ distributions }))).toEqual({});
  });

  test('a pinned image keeps its label', () => {
    const stores = [nodeStore('n1', ['os:v1'], [stored('os:v1', 'Ready')])];
    expect(labelsOf(fleet({ stores, containers: [runs('n1', { lastKnownGoodImage: 'os:v1' })] }))).toEqual({
      [key]: value,
    });
  });

  test('those of a node are told from its other labels', () => {
    expect(currentImageLabels(node('n1', ['os:v1'], {}, { zone: 'a' }))).toEqual({ [key]: value });
    expect(currentImageLabels({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } })).toEqual({});
  });
});

describe('a node with more images than a NodeStore can hold', () => {
  const several = (count: number, prefix = 'v') =>
    Array.from({ length: count }, (_, i) => `os:${prefix}${String(i).padStart(3, '0')}`);
  const from = (versions: readonly string[], mountScript?: string) =>
    versions.map((name) => osImage(name, { spec: mountScript === undefined ? {} : { mountScript } }));
  const plan = (o: Parameters<typeof fleet>[0]) => {
    const [planned] = planFleet(fleet(o));
    return { images: planned?.images.map(imageName) ?? [], cut: planned?.cut.map(imageName) ?? [] };
  };

  test('keeps what is pinned, then what it holds already, and retained images go first', () => {
    const [distributed, kept, pinned] = [several(256), several(10, 'a'), several(20, 'z')];
    const images = from([...distributed, ...kept, ...pinned]);
    const store = nodeStore(
      'n1',
      distributed.slice(100),
      kept.map((name) => stored(name, 'Ready')),
    );
    const distributions = [
      ...distributed.map((name) => distribution(name)),
      distribution('os:new', { retainVersions: 10 }, { image: 'os:new', previousImages: kept }),
    ];
    const containers = pinned.map((image) => runs('n1', { image }));
    const { images: told, cut } = plan({ images, stores: [store], distributions, containers });
    expect(told).toHaveLength(256);
    expect(told).toEqual(expect.arrayContaining([...pinned, ...distributed.slice(100)]));
    expect(cut).toEqual(expect.arrayContaining(kept));
    expect(cut).toHaveLength(30);
  });

  test('has as many long mount scripts as etcd takes, the pinned ones first', () => {
    const [distributed, pinned] = [several(25), several(3, 'z')];
    const images = from([...distributed, ...pinned], '#'.repeat(65_536));
    const distributions = distributed.map((name) => distribution(name));
    const containers = pinned.map((image) => runs('n1', { image }));
    const { images: told, cut } = plan({ images, distributions, containers });
    expect(told).toEqual(expect.arrayContaining(pinned));
    expect([told.length, cut.length]).toEqual([12, 16]);
  });

  test('keeps no slot of a distribution that has no place there', () => {
    const full = several(256);
    const nodes = [node('n1'), node('n2')];
    const distributions = [...full.map((name) => distribution(name, { selector: { matchLabels: { 'kubernetes.io/hostname': 'n1' } } })), distribution('os:v1', { parallelism: 1 })]; // prettier-ignore
    const f = fleet({
      nodes,
      images: [osImage('os:v1'), ...from(full)],
      stores: [nodeStore('n1', full)],
      distributions,
    });
    expect(desired(f)['n1']).not.toContain('os:v1');
    expect(desired(f)['n2']).toEqual(['os:v1']);
  });
});

test('a fleet of 1000 nodes and 10000 containers is planned in well under a second', () => {
  const many = names(1000);
  const f = asCached(
    fleet({
      nodes: many.map((name) => node(name, ['os:v1'])),
      stores: many.map((name) => nodeStore(name, ['os:v1'], [stored('os:v1', 'Ready')])),
      distributions: [distribution('os:v1'), distribution('os:v2', { parallelism: '25%' })],
      containers: Array.from({ length: 10_000 }, (_, i) =>
        runs(many[i % 1000] ?? '', { image: 'os:v1', lastKnownGoodImage: 'os:v1' }),
      ),
    }),
  );
  planFleet(f);
  const began = performance.now();
  expect(nodesAssigned(f, 'os:v2')).toHaveLength(250);
  expect(performance.now() - began).toBeLessThan(1000);
});
