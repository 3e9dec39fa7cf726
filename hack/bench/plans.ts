// What one run of each planner costs in fleets of other sizes, as the operator calls it: the fleet of nodes (what each node should store),
// one distribution with a rollout to its followers, and one OSImage. Ten containers a node, five images of each operating system, all
// images on all nodes. Needs no cluster.
// Usage: hack/bench/plans [--nodes 100,1000,5000] [--images 10,50] [--runs 5]
import { container, distribution, node, nodeStore, osImage, stored } from '../../test/fixtures/builders.ts';
import { settings } from '../../test/fixtures/image-life.ts';
import { deepFreeze } from '../../src/runtime/store.ts';
import { imageName } from '../../src/api/images.ts';
import { planImageDistribution } from '../../src/controllers/imagedistribution/plan.ts';
import { planNodeStores } from '../../src/controllers/nodestore/plan.ts';
import { planOSImage } from '../../src/controllers/osimage/plan.ts';
import { numberOf, readOptions } from '../lib/options.ts';
import { numbered } from './fleet/objects.ts';
import { median, printTable } from './lib.ts';

const about = {
  name: 'hack/bench/plans',
  does: 'What one run of each planner costs in fleets of other sizes: growth with nodes, images and containers.',
};
const options = readOptions(about, {
  nodes: { type: 'string', default: '100,1000,5000' },
  images: { type: 'string', default: '10,50' },
  runs: { type: 'string', default: '5' },
});
const list = (name: 'nodes' | 'images') => options[name].split(',').map((it) => numberOf(about, name, it));
const runs = numberOf(about, 'runs', options.runs);
const containersOfNode = 10;
const versionsOfOS = 5;

/** Names of images, such as `os-3:v2`. */
const namesOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `os-${Math.floor(i / versionsOfOS)}:v${i % versionsOfOS}`);

function fleetOf(nodeCount: number, imageCount: number) {
  const names = namesOf(imageCount);
  const images = names.map((name) => osImage(name));
  const latest = names.filter((_, i) => i % versionsOfOS === versionsOfOS - 1 || i === imageCount - 1);
  const distributions = names.map((name) =>
    distribution(name, {
      activate: { newContainers: true, ...(latest.includes(name) && { existingContainers: {} }) } as never,
    }),
  );
  const nodes = numbered('node', nodeCount).map((name) => node(name));
  const stores = new Map(
    nodes.map(({ metadata: { name } }) => [
      name,
      nodeStore(
        name,
        names,
        names.map((image) => stored(image, 'Ready')),
      ),
    ]),
  );
  const containers = nodes.flatMap(({ metadata }, n) =>
    Array.from({ length: containersOfNode }, (_, i) => {
      const image = latest[(n + i) % latest.length] ?? '';
      const made = container(
        { image: image.split(':')[0] ?? '' },
        { image, nodeName: metadata.name, lastKnownGoodImage: image },
      );
      return { ...made, metadata: { ...made.metadata, name: `web-${n}-${i}` } };
    }),
  );
  // As the caches of the operator have them.
  for (const objects of [images, distributions, nodes, [...stores.values()], containers]) objects.forEach(deepFreeze);
  return { names, images, distributions, nodes, stores, containers };
}

/** Milliseconds of processor time of this thread, so that a busy machine matters little; the median of some runs after one to warm up. */
function cost(run: () => unknown): number {
  run();
  return median(
    Array.from({ length: runs }, () => {
      const from = process.threadCpuUsage();
      run();
      const { user, system } = process.threadCpuUsage(from);
      return (user + system) / 1000;
    }),
  );
}

const rows: string[][] = [];
for (const imageCount of list('images'))
  for (const nodeCount of list('nodes')) {
    const fleet = fleetOf(nodeCount, imageCount);
    const { images, distributions, nodes, stores, containers } = fleet;
    const first = distributions.at(-1);
    const image = images.at(-1);
    if (!first || !image) throw new Error('There are no images');
    const byName = new Map(images.map((it) => [imageName(it.spec), it]));
    const followers = containers.filter(({ spec }) => spec.image === image.spec.os);
    const now = new Date();
    const ofFleet = cost(() =>
      planNodeStores({
        ...{ nodes, stores, allStores: stores, images, distributions, containers },
        ...{ pods: new Map(), now: now.getTime() },
      }),
    );
    const ofDistribution = cost(() =>
      planImageDistribution({
        distribution: first,
        image,
        find: (os, version) => byName.get(imageName({ os, version })),
        nodes,
        stores,
        now,
        fleet: { distributions, containers: followers, window: { open: true }, answers: [] },
      }),
    );
    const ofImage = cost(() =>
      planOSImage({ image, distributions, nodes, stores: [...stores.values()], jobs: [], pods: [], settings, now }),
    );
    const perPair = (ofFleet * 1e6) / (nodeCount * imageCount);
    rows.push([
      String(imageCount),
      String(nodeCount),
      String(containers.length),
      ...[ofFleet, perPair, ofDistribution, ofImage].map((it) => it.toFixed(1)),
    ]);
  }
printTable([
  ['images', 'nodes', 'containers', 'fleet ms', 'ns a node and image', 'distribution ms', 'OSImage ms'],
  ...rows,
]);
