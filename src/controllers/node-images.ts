import type { ImageDistribution } from '../api/imagedistribution.ts';
import type { NodeStore, StoredImage, DesiredImage } from '../api/nodestore.ts';
import type { OSImage } from '../api/osimage.ts';
import type { LabelSelector } from '../api/kubernetes/podfields.ts';
import { nodeHasImage } from '../pod/placement.ts';
import { isEmptySelector, isRealLinux, matchesSelector, toleratesTaints } from '../api/kubernetes/selectors.ts';
import type { Node } from '../api/kubernetes/objects.ts';
import { digestOf, fetchSourceOf, whyNotReleased } from './images.ts';
import { isFull } from './node-limits.ts';
import { entryNamed } from './store-entries.ts';

/** How one node stands with one image. Unreachable: it lacks the image, and no one there would answer. */
export type NodeState = 'Waiting' | 'Fetching' | 'Ready' | 'Failed' | 'Unreachable';

/** A NodeStore as the cache of the operator has it. */
export interface SeenNodeStore extends NodeStore {
  /** When this process saw this revision of it first, in milliseconds since 1970; unset where nothing is watched. */
  seenTime?: number;
  /** The same for what it is asked for, its spec. */
  specSeenTime?: number;
}

/** The nodes that a distribution selects, for an image of this architecture; none before it is tested and published. */
export function selectedNodes(distribution: ImageDistribution, image: OSImage, nodes: readonly Node[]): Node[] {
  if (whyNotReleased(image)) return [];
  const { tolerations } = distribution.spec;
  const selects = selectionOf(distribution, image);
  return nodes.filter(
    (node) =>
      node.metadata.deletionTimestamp === undefined &&
      isRealLinux(node) &&
      node.metadata.labels?.['kubernetes.io/arch'] === image.spec.architecture &&
      selects(node) &&
      toleratesTaints(withoutPassingTaints(node), tolerations),
  );
}

/** The selector of a distribution, also under the name that it had before. */
export const selectorOf = ({ spec }: ImageDistribution): LabelSelector | undefined =>
  spec.selector ?? spec.nodeSelector;

/**
 * Which nodes the labels select. An empty selector, which only an earlier version has stored, selects the nodes that have the
 * image: what it was meant to say is not known, so no node gets the image by it, and none loses it.
 */
function selectionOf(distribution: ImageDistribution, image: OSImage): (node: Node) => boolean {
  const selector = selectorOf(distribution);
  const digest = digestOf(image);
  if (!isEmptySelector(selector)) return ({ metadata }) => matchesSelector(metadata.labels, selector);
  return (node) => digest !== undefined && nodeHasImage(node, { ...image.spec, digest });
}

/** Whether the labels of a node let the distribution select it; what it selects besides, taints and the image decide. */
export function maySelect(distribution: ImageDistribution, { metadata }: Node): boolean {
  const selector = selectorOf(distribution);
  return isEmptySelector(selector) || matchesSelector(metadata.labels, selector);
}

/** Like a DaemonSet: a node that is cordoned, under pressure or not ready for a while is still one that should have the image. */
function withoutPassingTaints(node: Node): Node {
  if (!node.spec?.taints?.length) return node;
  const taints = node.spec.taints.filter((taint) => !taint.key.startsWith('node.kubernetes.io/'));
  return { ...node, spec: { ...node.spec, taints } };
}

/** No further node is asked to get the image. */
export const isPaused = ({ spec }: ImageDistribution): boolean => spec.parallelism === 0 || spec.parallelism === '0%';

/** What the store of the node says of exactly these bytes. */
export function storedImage(store: NodeStore | undefined, image: OSImage): StoredImage | undefined {
  const { os, version } = image.spec;
  const digest = digestOf(image);
  const found = entryNamed(store?.status?.images, os, version);
  return found?.digest === digest ? found && withReason(found) : undefined;
}

/** A reason becomes one of a condition. The schema sees to it; but not for what was stored before the schema did. */
function withReason(stored: StoredImage): StoredImage {
  if (stored.reason === undefined || /^[A-Z][A-Za-z0-9]{0,127}$/.test(stored.reason)) return stored;
  const { reason: _reason, ...others } = stored;
  return others;
}

/** The entry of the image in the spec of the NodeStore; undefined when there is none. */
function desiredEntry(store: NodeStore | undefined, image: OSImage): DesiredImage | undefined {
  const found = entryNamed(store?.spec.images, image.spec.os, image.spec.version);
  return found?.digest === digestOf(image) ? found : undefined;
}

/** Is the image assigned to the node? One that it only retains it need not get. */
export const isAssigned = (store: NodeStore | undefined, image: OSImage): boolean => {
  const entry = desiredEntry(store, image);
  return entry !== undefined && !entry.retained;
};

/** First hit wins. `now` is in milliseconds since 1970. */
export function nodeState(node: Node, store: SeenNodeStore | undefined, image: OSImage, now: number): NodeState {
  const entry = desiredEntry(store, image);
  const stored = storedImage(store, image);
  if (entry && stored?.state === 'Ready') return 'Ready';
  const assigned = entry !== undefined && !entry.retained;
  if (assigned ? hasFailed(entry, stored) : !entry && isWithoutPlace(store, image)) return 'Failed';
  if (!isReachable(node) || (assigned && isLate(store, entry, now))) return 'Unreachable';
  return assigned ? 'Fetching' : 'Waiting';
}

/** It goes on trying, now and then; that makes it no node that is on its way. */
const hasFailed = ({ backoffLimit }: DesiredImage, stored: StoredImage | undefined): boolean =>
  stored?.state === 'Failed' || (stored?.attempts ?? 0) > backoffLimit;

const isWithoutPlace = (store: NodeStore | undefined, image: OSImage): boolean =>
  isFull(store?.spec.images ?? [], { mountScript: image.spec.mountScript, source: fetchSourceOf(image) ?? {} });

/** Why a node of the state Failed has not got the image. */
export function failureOf(store: NodeStore | undefined, image: OSImage): { reason: string; message: string } {
  const { reason = 'Failed', message = '' } = storedImage(store, image) ?? {};
  if (desiredEntry(store, image)) return { reason, message };
  return {
    reason: 'TooManyImages',
    message:
      'Its NodeStore has no room for one more image: distribute fewer images to this node, or images with shorter mount scripts',
  };
}

/** The taints by which Kubernetes itself says that the kubelet of a node does not answer. */
const awayTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
export const isReachable = (node: Node): boolean =>
  !(node.spec?.taints ?? []).some(({ key }) => awayTaints.includes(key));

/** Longest back-off of an agent, in which it rightly says nothing. */
const longestPauseSeconds = 300;

const isLate = (store: SeenNodeStore | undefined, entry: DesiredImage, now: number): boolean =>
  isSilent(store, entry, now) || isOverdue(store, entry, now);

/**
 * Whether the agent has said nothing for longer than any try can take; each of its words is a write to the NodeStore. Counted by
 * the clock of this process alone: the times in an object are those of other machines.
 */
function isSilent(store: SeenNodeStore | undefined, { timeoutSeconds }: DesiredImage, now: number): boolean {
  return store?.seenTime !== undefined && now - store.seenTime > (timeoutSeconds + longestPauseSeconds) * 1000;
}

/** A node may have to wait for its other images, for a disk, for an agent that is updated. */
const spareSeconds = 600;

/**
 * Whether the spec of the node changed so long ago that all tries that it is granted have ended, or should have. An agent that says again and
 * again that it is fetching holds no place of others for longer than that.
 */
function isOverdue(
  store: SeenNodeStore | undefined,
  { timeoutSeconds, backoffLimit }: DesiredImage,
  now: number,
): boolean {
  const granted = (backoffLimit + 1) * (timeoutSeconds + longestPauseSeconds) + spareSeconds;
  return store?.specSeenTime !== undefined && now - store.specSeenTime > granted * 1000;
}
