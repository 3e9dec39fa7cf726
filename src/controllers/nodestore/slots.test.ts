import { describe, expect, test } from 'vitest';
import {
  builtImage,
  distribution,
  node,
  nodeStore,
  osImage,
  sha256Of,
  stored,
} from '../../../test/fixtures/builders.ts';
import { seenAt } from '../../../test/fixtures/cached.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import { slots } from './plan.ts';
import type { Fleet } from './observed.ts';
import {
  planFleet,
  names,
  labelOf,
  runs,
  fleet,
  desired,
  nodesAssigned,
  labelsOf,
} from '../../../test/fixtures/fleet-plan.ts';

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
    ['no more nodes begin than may', 3, [], 3],
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
