import { createHash } from 'node:crypto';
import type { NodeStore } from '../../../api/nodestore.ts';
import type { OSImage } from '../../../api/osimage.ts';
import { isRealLinux, matchesLabels, toleratesTaints } from '../../../api/kubernetes/selectors.ts';
import type { Node } from '../../../api/kubernetes/objects.ts';
import { isReachable, nodeState, storedImage } from '../../node-images.ts';
import type { Observed } from '../observed.ts';

/** Which node tests an image. */

/** Could a new Pod of the image run there? A node that is not ready has a taint that says so. */
function canTest(image: OSImage, node: Node): boolean {
  const { architecture, verification } = image.spec;
  return (
    node.metadata.deletionTimestamp === undefined &&
    isRealLinux(node) &&
    !node.spec?.unschedulable &&
    node.metadata.labels?.['kubernetes.io/arch'] === architecture &&
    matchesLabels(node.metadata.labels, verification?.nodeSelector) &&
    toleratesTaints(node, [])
  );
}

/** Is the node still one of which an answer may come? A cordon stops nothing that runs. */
const mayAnswer = (node: Node): boolean => node.metadata.deletionTimestamp === undefined && isReachable(node);

/**
 * The node that tests the image: the one from before, as long as it can (`started`: the test is on it already), or else the
 * best of the others. The same objects give the same node, and other images other nodes.
 */
export function chooseNode(
  o: Observed,
  image: OSImage,
  before: { node: string; started: boolean } | undefined,
): string | undefined {
  const stores = new Map(o.stores.map((store) => [store.metadata.name, store]));
  const silent = (node: Node) =>
    nodeState(node, stores.get(node.metadata.name), image, o.now.getTime()) === 'Unreachable';
  const current = o.nodes.find(({ metadata }) => metadata.name === before?.node);
  const stays = current && (before?.started ? mayAnswer(current) : canTest(image, current) && !silent(current));
  if (stays) return current.metadata.name;
  const ranked = o.nodes
    .filter((node) => canTest(image, node))
    .map((node) => {
      const { name } = node.metadata;
      const rank = silent(node) ? lastRank : rankOf(image, stores.get(name));
      return { name, rank, order: hash(`${image.metadata.name} ${name}`) };
    })
    .sort((a, b) => a.rank - b.rank || (a.order < b.order ? -1 : 1));
  return ranked[0]?.name;
}

const lastRank = 3;

/** Less is better: one that has it, then one with an agent, then one without, then one that could not get it. */
function rankOf(image: OSImage, store: NodeStore | undefined): number {
  const state = storedImage(store, image)?.state;
  if (state === 'Ready') return 0;
  if (state === 'Failed') return lastRank;
  return store?.status ? 1 : 2;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
