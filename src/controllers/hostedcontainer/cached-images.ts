import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { imageName, parseReference } from '../../api/images.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import { byDigest, imageOf } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { defaultDistribution, defaultVersion, moves } from '../default-version.ts';
import { digestOf } from '../images.ts';
import { isPaused, nodeState, selectedNodes } from '../node-images.ts';
import type { NodeState } from '../node-images.ts';
import type { Catalog, ImageDigest, Pending } from './observed.ts';

/** What is known of images, from caches, as of now. */
export function catalogOf(caches: Caches, now: Date): Catalog {
  const distributions = () => caches.distributions.store.list();
  return {
    find: (os, version) => imageOf(caches, imageName({ os, version })),
    withDigest: (digest) => caches.images.store.byIndex(byDigest, digest),
    defaultVersion: (os) => defaultVersion(os, distributions()),
    pendingDefault: (os) => pendingDefault(os, distributions()),
    comesTo: (image, nodes) => fetchesOf(caches, image, new Set(nodes), now).some(({ state }) => state !== 'Failed'),
    nodesGetting: (image, nodes) => nodesGetting(fetchesOf(caches, image, new Set(nodes), now)),
    movedBy: (it) => {
      const giver = defaultDistribution(parseReference(it.spec.image).os, distributions());
      return giver && moves(giver, it) ? giver.metadata.name : undefined;
    },
  };
}

/** One that something is at work on comes before one that waits for a person. */
function pendingDefault(os: string, distributions: readonly ImageDistribution[]): Pending | undefined {
  const found = distributions
    .filter(({ metadata, spec }) => {
      const gives = spec.activate.newContainers && parseReference(spec.image).os === os;
      return gives && metadata.deletionTimestamp === undefined;
    })
    .map(({ metadata, spec, status }) => {
      const ready = findCondition(status?.conditions, 'Ready');
      const why = ready ? `${ready.reason}: ${ready.message}` : 'The operator has not looked at it yet';
      const message = `ImageDistribution ${metadata.name} is to make ${spec.image} the default version. ${why}`;
      return { message, waits: !isTrue(status?.conditions, 'Stalled') };
    });
  return found.find(({ waits }) => waits) ?? found[0];
}

interface Fetch {
  node: string;
  state: NodeState;
  distribution: ImageDistribution;
}

/** How these nodes stand with these bytes, for each ImageDistribution that selects them for it. */
function fetchesOf(caches: Caches, wanted: ImageDigest, among: ReadonlySet<string>, now: Date): Fetch[] {
  const image = imageOf(caches, imageName(wanted));
  if (!image || digestOf(image) !== wanted.digest) return [];
  const nodes = caches.nodes.store.list().filter(({ metadata }) => among.has(metadata.name));
  const state = (node: Node) => nodeState(node, caches.stores.store.get(node.metadata.name), image, now.getTime());
  return caches.distributions.store
    .list()
    .filter(({ metadata, spec }) => spec.image === imageName(wanted) && metadata.deletionTimestamp === undefined)
    .flatMap((distribution) =>
      selectedNodes(distribution, image, nodes).map((node) => ({
        node: node.metadata.name,
        state: state(node),
        distribution,
      })),
    );
}

/** Ready: the node has it, and its label is about to say so. A paused distribution gives no node its turn. */
const nodesGetting = (fetches: readonly Fetch[]): string[] =>
  fetches
    .filter(({ state, distribution }) =>
      state === 'Waiting' ? !isPaused(distribution) : state === 'Fetching' || state === 'Ready',
    )
    .map(({ node }) => node);
