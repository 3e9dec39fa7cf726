import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { parseReference } from '../../pod/image.ts';
import type { Node } from '../../pod/types.ts';
import { findCondition, isTrue, setCondition } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { previousImages, whyNotReleased } from '../catalog.ts';
import { nodeState, selectedNodes, storedImage } from '../storage.ts';
import type { NodeState } from '../storage.ts';

export interface Observed {
  distribution: ImageDistribution;
  /** The image that it names, if that exists. */
  image: OSImage | undefined;
  nodes: readonly Node[];
  stores: ReadonlyMap<string, NodeStore>;
  now: Date;
}

const failedNodesLimit = 20;
export const progressMilliseconds = 10_000;

/** The status of a distribution; also decides, by setting activationTime, when its image becomes a default version. */
export function planImageDistribution(o: Observed): ImageDistributionStatus {
  const { distribution, now } = o;
  const before = distribution.status ?? {};
  const counted = count(o);
  const distributed = distributedCondition(o, counted);
  const activation = activate(o, distributed.status === 'True');
  const activated = activatedCondition(o, activation);
  const stated = [distributed, activated, ...summary(o, distributed, activated, counted)];
  const conditions = stated.reduce(
    (list, condition) =>
      setCondition(list, { ...condition, observedGeneration: distribution.metadata.generation }, now),
    before.conditions ?? [],
  );
  const { desired, ready, active, failed, unreachable, failedNodes } = counted;
  const progress = progressOf(o, counted);
  return {
    observedGeneration: distribution.metadata.generation,
    // An image that does not exist was never distributed.
    image: o.image ? distribution.spec.image : before.image,
    previousImages: previousImages(distribution),
    ...activation,
    nodes: { desired, ready, active, failed, unreachable },
    ...(progress && { progress }),
    failedNodes: failedNodes.slice(0, failedNodesLimit),
    conditions,
  };
}

type Counted = NonNullable<ImageDistributionStatus['nodes']> & {
  unreachable: number;
  failedNodes: NonNullable<ImageDistributionStatus['failedNodes']>;
  /** One that is counted as unreachable. */
  unreachableNode: string | undefined;
  downloads: StoredImage[];
};

function count(o: Observed): Counted {
  const { distribution, image, nodes, stores, now } = o;
  const selected = image ? selectedNodes(distribution, image, nodes) : [];
  const seen = selected.flatMap((node) => {
    if (!image) return [];
    const store = stores.get(node.metadata.name);
    const state = nodeState(node, store, image, now.getTime());
    const stored = storedImage(store, image);
    // It must still answer what it is told now.
    return [
      { name: node.metadata.name, stored, state: state === 'Ready' && !isUpToDate(o, store) ? 'Fetching' : state },
    ];
  });
  const those = (state: NodeState) => seen.filter((it) => it.state === state);
  return {
    desired: seen.length,
    ready: those('Ready').length,
    active: those('Fetching').length,
    failed: those('Failed').length,
    unreachable: those('Unreachable').length,
    failedNodes: those('Failed').map(({ name, stored }) => ({
      node: name,
      reason: stored?.reason ?? 'Failed',
      message: stored?.message ?? '',
    })),
    unreachableNode: those('Unreachable')[0]?.name,
    downloads: those('Fetching').flatMap(({ stored }) => (stored?.state === 'Fetching' ? stored : [])),
  };
}

/**
 * Whether what an agent says is about what it is told now. Once all have answered, a change of something else that it is told
 * makes no node one that lacks the image.
 */
function isUpToDate({ distribution: { metadata, spec, status } }: Observed, store: NodeStore | undefined): boolean {
  const before = findCondition(status?.conditions, 'Distributed');
  const settled = before?.status === 'True' && before.observedGeneration === metadata.generation;
  if (settled && status?.image === spec.image) return true;
  return (store?.status?.observedGeneration ?? 0) >= (store?.metadata.generation ?? 0);
}

/** Bytes of all nodes that are downloading, kept for ten seconds: each node tells of itself every five. */
function progressOf({ distribution, now }: Observed, { downloads }: Counted): ImageDistributionStatus['progress'] {
  if (downloads.length === 0) return undefined;
  const before = distribution.status?.progress;
  if (before && now.getTime() - Date.parse(before.time) < progressMilliseconds) return before;
  const sum = (of: (image: StoredImage) => number) => downloads.reduce((total, image) => total + of(image), 0);
  const downloadedBytes = sum((image) => image.downloadedBytes ?? 0);
  const totalBytes = downloads.every((image) => image.totalBytes !== undefined)
    ? sum((image) => image.totalBytes ?? 0)
    : undefined;
  if (before?.downloadedBytes === downloadedBytes && before.totalBytes === totalBytes) return before;
  return { downloadedBytes, ...(totalBytes !== undefined && { totalBytes }), time: now.toISOString() };
}

function distributedCondition(
  { distribution, image }: Observed,
  { desired, ready, failed, unreachable, failedNodes, unreachableNode }: Counted,
): NewCondition {
  const type = 'Distributed';
  const { os, version } = parseReference(distribution.spec.image);
  if (!image)
    return {
      type,
      status: 'False',
      reason: 'UnknownImage',
      message: `There is no OSImage ${os}.${version ?? ''}: create it`,
    };
  const unreleased = whyNotReleased(image);
  if (unreleased) return { type, status: 'False', ...unreleased };
  if (desired === 0) {
    return {
      type,
      status: 'False',
      reason: 'NoNodes',
      message: `spec.nodeSelector selects no node of architecture ${image.spec.architecture}`,
    };
  }
  if (ready === desired) return { type, status: 'True', reason: 'AllNodes', message: `All ${desired} nodes have it` };
  const first = failedNodes[0];
  if (first) {
    const message = `${failed} of ${desired} nodes could not get it. ${first.node}: ${first.reason}: ${first.message}`;
    return { type, status: 'False', reason: 'NodesFailed', message };
  }
  const have = `${ready} of ${desired} nodes have it`;
  const away = unreachable > 0 ? `; ${unreachable} do not answer, such as ${unreachableNode ?? ''}` : '';
  if (ready + unreachable === desired) {
    const message = `${have}${away}: they get it when they are back; delete Nodes that are gone for good`;
    return { type, status: 'False', reason: 'NodesUnreachable', message };
  }
  const paused = distribution.spec.parallelism === 0 || distribution.spec.parallelism === '0%';
  return {
    type,
    status: 'False',
    reason: paused ? 'Paused' : 'InProgress',
    message: `${have}${away}${paused ? '; paused by spec.parallelism 0' : ''}`,
  };
}

/** It becomes a default version when all its nodes have the image, and stays so while nodes come and go. */
function activate(
  { distribution, now }: Observed,
  distributed: boolean,
): Pick<ImageDistributionStatus, 'activeImage' | 'activationTime'> {
  const { spec, status } = distribution;
  if (!spec.activate.newContainers) return {};
  if (status?.activeImage === spec.image && status.activationTime !== undefined) {
    return { activeImage: spec.image, activationTime: status.activationTime };
  }
  return distributed ? { activeImage: spec.image, activationTime: now.toISOString() } : {};
}

function activatedCondition(
  { distribution }: Observed,
  { activeImage }: Pick<ImageDistributionStatus, 'activeImage'>,
): NewCondition {
  const type = 'Activated';
  const { os } = parseReference(distribution.spec.image);
  if (activeImage !== undefined)
    return { type, status: 'True', reason: 'NewContainers', message: `New containers of ${os} run ${activeImage}` };
  return distribution.spec.activate.newContainers
    ? {
        type,
        status: 'False',
        reason: 'WaitingForNodes',
        message: 'It becomes the default version when all selected nodes have it',
      }
    : { type, status: 'False', reason: 'NotRequested', message: 'spec.activate.newContainers is false' };
}

/** Ready and the two kstatus conditions, from the others. */
function summary(o: Observed, distributed: NewCondition, activated: NewCondition, { failed }: Counted): NewCondition[] {
  const asked = o.distribution.spec.activate.newContainers;
  const missing = [distributed, ...(asked ? [activated] : [])].find((c) => c.status !== 'True');
  const ready: NewCondition = { ...(missing ?? distributed), type: 'Ready' };
  const stuck = ['UnknownImage', 'NoNodes'].includes(missing?.reason ?? '') || isStuck(o.image);
  const stalled = missing !== undefined && (failed > 0 || stuck);
  const settled = (type: string): NewCondition => ({
    type,
    status: 'False',
    reason: 'Settled',
    message: 'Nothing is being changed',
  });
  return [
    ready,
    stalled ? { ...missing, type: 'Stalled', status: 'True' } : settled('Stalled'),
    missing && !stalled ? { ...missing, type: 'Reconciling', status: 'True' } : settled('Reconciling'),
  ];
}

/** Its image waits for a person, before it may be distributed. */
const isStuck = (image: OSImage | undefined): boolean =>
  image !== undefined && whyNotReleased(image) !== undefined && isTrue(image.status?.conditions, 'Stalled');
