import { imageLabelPrefix } from '../api/names.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../api/nodestore.ts';
import type { OSImage } from '../api/osimage.ts';
import { imageObjectName } from '../api/images.ts';
import type { Node } from '../api/kubernetes/objects.ts';
import { sameStatus } from '../runtime/status.ts';

/**
 * Which changes concern whom. A fleet makes many small ones: each node that gets an image tells of it several times, and what
 * is planned over all nodes for each of these takes time in the square of the nodes.
 */

/** Did anything change by which images and containers are placed? A heartbeat does not. */
export const placementChanged = (old: Node, current: Node): boolean =>
  selectionChanged(old, current) || !sameStatus(old.metadata.labels, current.metadata.labels);

/** As {@link placementChanged}, without the labels that say which images a node has. */
export function selectionChanged(old: Node, current: Node): boolean {
  const seen = (node: Node) => [
    Object.entries(node.metadata.labels ?? {}).filter(([key]) => !key.startsWith(imageLabelPrefix)),
    node.metadata.deletionTimestamp,
    node.spec?.taints,
    node.spec?.unschedulable,
  ];
  return !sameStatus(seen(old), seen(current));
}

/** The OSImages by name whose labels a node has, and did not have so before or afterwards. */
export function changedLabels(node: Node, other: Node | undefined): string[] {
  const before = other?.metadata.labels ?? {};
  return Object.entries(node.metadata.labels ?? {})
    .filter(([key, value]) => key.startsWith(imageLabelPrefix) && before[key] !== value)
    .map(([key]) => key.slice(imageLabelPrefix.length));
}

type Seen = (image: StoredImage) => unknown;

/**
 * The OSImages by name of which a store says something, or is asked for something, that it was not before or afterwards. All of
 * them when what its agent says is about another generation: then each may count from now on. `seen` is what matters of what
 * is said.
 */
export function changedImages(store: NodeStore, other: NodeStore | undefined, seen: Seen = (it) => it): string[] {
  const all = (it: NodeStore | undefined) => [...(it?.spec.images ?? []), ...(it?.status?.images ?? [])];
  const generations = ({ metadata, status }: NodeStore) => [metadata.generation, status?.observedGeneration];
  if (!other || !sameStatus(generations(store), generations(other))) return all(store).map(imageObjectName);
  const specsByName = byName(other.spec.images);
  const statusesByName = byName(other.status?.images ?? []);
  return [
    ...store.spec.images.filter((it) => !sameStatus(it, specsByName.get(imageObjectName(it)))),
    ...(store.status?.images ?? []).filter((it) => {
      const before = statusesByName.get(imageObjectName(it));
      return !before || !sameStatus(seen(it), seen(before));
    }),
  ].map(imageObjectName);
}

const byName = <T extends { os: string; version: string }>(images: readonly T[]): Map<string, T> =>
  new Map(images.map((it) => [imageObjectName(it), it]));

/** How far a download has come changes nothing but that number. */
export function withoutProgress({ downloadedBytes: _bytes, totalBytes: _total, ...image }: StoredImage): unknown {
  return image;
}

/** Counts of nodes and containers, and how a rollout stands, concern no one else. */
export function distributionChanged(old: ImageDistribution, current: ImageDistribution): boolean {
  const seen = ({ metadata, spec, status }: ImageDistribution) => [
    metadata.deletionTimestamp,
    spec,
    status?.image,
    status?.previousImages,
    status?.activeImage,
    status?.activationTime,
  ];
  return !sameStatus(seen(old), seen(current));
}

/** What nodes are asked for of an image: how many have it, and what its conditions say, is no part of that. */
export function imageChanged(old: OSImage, current: OSImage): boolean {
  const seen = ({ metadata, spec, status }: OSImage) => {
    const { nodes: _nodes, conditions: _conditions, observedGeneration: _generation, ...rest } = status ?? {};
    return [metadata.uid, metadata.deletionTimestamp, spec, rest];
  };
  return !sameStatus(seen(old), seen(current));
}
