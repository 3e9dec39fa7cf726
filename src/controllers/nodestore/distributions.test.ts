import { describe, expect, test } from 'vitest';
import { distribution, node, nodeStore, osImage, stored } from '../../../test/fixtures/builders.ts';
import { asCached } from '../../../test/fixtures/cached.ts';
import type { ImageDistributionSpec } from '../../api/imagedistribution.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import { planFleet, names, runs, fleet, desired, nodesAssigned } from '../../../test/fixtures/fleet-plan.ts';

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
