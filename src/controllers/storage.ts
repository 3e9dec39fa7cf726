import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../api/nodestore.ts';
import type { OSImage } from '../api/osimage.ts';
import { matchesLabels, toleratesTaints } from '../pod/nodes.ts';
import type { Node } from '../pod/types.ts';
import { digestOf } from './catalog.ts';

/** How one node stands with one image. */
export type NodeState = 'Waiting' | 'Fetching' | 'Ready' | 'Failed';

/** The nodes that a distribution selects, for an image of this architecture. */
export function selectedNodes(distribution: ImageDistribution, image: OSImage, nodes: readonly Node[]): Node[] {
  const { nodeSelector, tolerations } = distribution.spec;
  return nodes.filter(
    (node) =>
      node.metadata.deletionTimestamp === undefined &&
      node.metadata.labels?.['kubernetes.io/arch'] === image.spec.architecture &&
      matchesLabels(node.metadata.labels, nodeSelector) &&
      toleratesTaints(withoutPassingTaints(node), tolerations),
  );
}

/** Like a DaemonSet: a node that is cordoned, under pressure or not ready for a while is still one that shall have the image. */
function withoutPassingTaints(node: Node): Node {
  const taints = (node.spec?.taints ?? []).filter((taint) => !taint.key.startsWith('node.kubernetes.io/'));
  return { ...node, spec: { ...node.spec, taints } };
}

/** What the store of the node says of exactly these bytes. */
export function storedImage(store: NodeStore | undefined, image: OSImage): StoredImage | undefined {
  const { os, version } = image.spec;
  return store?.status?.images?.find((i) => i.os === os && i.version === version && i.digest === digestOf(image));
}

/** Is the node asked to have the image? */
export const isWanted = (store: NodeStore | undefined, image: OSImage): boolean =>
  store?.spec.images.some(
    (i) => i.os === image.spec.os && i.version === image.spec.version && i.digest === digestOf(image),
  ) ?? false;

export function nodeState(store: NodeStore | undefined, image: OSImage): NodeState {
  if (!isWanted(store, image)) return 'Waiting';
  const stored = storedImage(store, image);
  if (stored?.state === 'Ready') return 'Ready';
  return stored?.state === 'Failed' ? 'Failed' : 'Fetching';
}
