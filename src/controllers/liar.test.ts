import { describe, expect, test } from 'vitest';
import { container, distribution, node, nodeStore, osImage, stored } from '../../test/fixtures/builders.ts';
import { asCached } from '../../test/fixtures/cached.ts';
import { settings } from '../../test/fixtures/image-life.ts';
import { liesAbout } from '../../test/fixtures/lies.ts';
import type { Lie } from '../../test/fixtures/lies.ts';
import type { NodeStore, NodeStoreStatus } from '../api/nodestore.ts';
import type { OSImage, OSImageStatus } from '../api/osimage.ts';
import { osImageDefinition } from '../api/osimage.ts';
import { imageDistributionDefinition } from '../api/imagedistribution.ts';
import { buildPod } from '../pod/pod.ts';
import { usableImage } from '../pod/usable-image.ts';
import { findCondition } from '../runtime/conditions.ts';
import { expectValidStatus } from '../runtime/status.ts';
import { planImageDistribution } from './imagedistribution/plan.ts';
import { planFleet } from './nodestore/plan.ts';
import { planOSImage } from './osimage/plan.ts';

/**
 * One agent of four says whatever its schema allows, to the real planners. Its token is stolen: it is the first by name, has the image, and
 * speaks before or after the others. What it says must reach its own node only.
 */
const now = new Date('2026-02-03T04:05:06Z');
const liar = 'n0';
const layout = {
  kind: 'merged' as const,
  directories: ['etc', 'opt', 'usr', 'var'],
  links: [{ name: 'srv', target: 'usr/srv', type: 'Directory' as const }],
  files: ['init'],
  ignored: ['a'],
  overlayBytes: { etc: 1 },
};
const facts = {
  layout,
  defaults: { command: ['/usr/sbin/nginx'], args: ['-g'], env: [{ name: 'A', value: '1' }], workingDir: '/srv' },
  hasMountScript: true,
};
const has = (name: string) =>
  nodeStore(
    name,
    ['os:v1'],
    [stored('os:v1', 'Ready', { ...facts, unpackedBytes: 5000, sharedBytes: 0, readyTime: '2026-01-01T00:00:00Z' })],
  );
const honest: NodeStoreStatus = {
  ...has(liar).status,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Stored',
      message: '',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  ],
  counts: { desired: 1, ready: 1, failed: 0 },
  store: { usedBytes: 1, freeBytes: 1, capacityBytes: 2 },
};
const nodes = [liar, 'n1', 'n2', 'n3'].map((name) => node(name, ['os:v1']));
const others = [has('n1'), has('n2'), nodeStore('n3', ['os:v1'], [stored('os:v1', 'Fetching')])];
const distributions = [distribution('os:v1', { parallelism: 100, activate: { newContainers: true } })];
const lying = ({ status }: Lie): NodeStore => ({ ...has(liar), status: status });

function world(store: NodeStore, status?: OSImageStatus) {
  const stores = [store, ...others];
  const { status: _none, ...fresh } = osImage('os:v1');
  const image: OSImage = status ? { ...fresh, status } : fresh;
  const osimage = planOSImage(asCached({ image, distributions, nodes, stores, jobs: [], pods: [], settings, now }));
  const planned: OSImage = { ...image, status: osimage.status };
  const byName = new Map(stores.map((it) => [it.metadata.name, it]));
  const fleet = planFleet({
    nodes,
    stores: byName,
    images: [planned],
    distributions,
    containers: [],
    pods: new Map(),
    now: now.getTime(),
  });
  const usable = usableImage(planned);
  const pod = usable && buildPod(container({ image: 'os:v1', command: [] }), usable, settings.scaffolds);
  const given = distributions[0];
  if (!given) throw new Error('there is a distribution');
  const distributed = planImageDistribution({
    distribution: given,
    image: planned,
    find: () => planned,
    nodes,
    stores: byName,
    now,
    fleet: { distributions, containers: [], window: { open: true }, answers: new Map() } as never,
  });
  return { planned, pod, distributed, elsewhere: fleet.filter(({ node: it }) => it.metadata.name !== liar) };
}

/** What must be the same, whatever one node says. */
const reach = ({ planned, pod, elsewhere }: ReturnType<typeof world>) => ({
  status: { ...planned.status, conditions: undefined, nodes: undefined, factsFrom: undefined },
  ready: findCondition(planned.status?.conditions, 'Ready')?.status,
  pod,
  elsewhere,
});

const lies = liesAbout(honest);
const truth = world(has(liar));

test('there are lies about every field', () => {
  expect(lies.length).toBeGreaterThan(200);
  expect(truth.pod?.spec.containers[0]?.args).toEqual(['/usr/sbin/nginx', '-g']);
});

describe.each<[string, OSImageStatus | undefined]>([
  ['before anything was written down', undefined],
  ['after the facts were written down', truth.planned.status],
])('a liar that speaks %s', (_when, before) => {
  test.each(lies)('$name', (lie) => {
    const it = world(lying(lie), before);
    expect(reach(it)).toEqual(reach(truth));
  });

  test.each(lies)('leaves statuses that the API server takes: $name', (lie) => {
    const { planned, distributed } = world(lying(lie), before);
    expectValidStatus(planned);
    expect(osImageDefinition.status.safeParse(planned.status).error).toBeUndefined();
    expectValidStatus({ metadata: { name: 'd', generation: 1 }, status: distributed.status });
    expect(imageDistributionDefinition.status.safeParse(distributed.status).error).toBeUndefined();
  });
});

test('a node that reports something else is named, and who was first', () => {
  const report = stored('os:v1', 'Ready', { ...facts, defaults: { command: ['/evil'] }, hasMountScript: false });
  const { planned } = world(nodeStore(liar, ['os:v1'], [report]), truth.planned.status);
  const consistent = findCondition(planned.status?.conditions, 'Consistent');
  expect([consistent?.status, consistent?.reason]).toEqual(['False', 'NodesDiffer']);
  expect(consistent?.message).toMatch(
    /^n0 \(defaults, hasMountScript\) reported something else of the same bytes than/,
  );
  expect(findCondition(truth.planned.status?.conditions, 'Consistent')?.reason).toBe('Agreed');
});
