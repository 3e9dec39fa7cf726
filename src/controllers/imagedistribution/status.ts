import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import { parseReference } from '../../api/images.ts';
import { isEmptySelector } from '../../api/kubernetes/selectors.ts';
import { findCondition, removeConditions, setConditions } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { previousImages } from '../default-version.ts';
import { whyNotReleased } from '../images.ts';
import { planRollout } from './rollout/plan.ts';
import type { RolloutPlan } from './rollout/observed.ts';
import { failureOf, isPaused, nodeState, selectedNodes, selectorOf, storedImage } from '../node-images.ts';
import type { NodeState } from '../node-images.ts';
import { activate, activatedCondition } from './activation.ts';
import { rolloutConditions, summary } from './summary.ts';
import type { Observed } from './observed.ts';

const failedNodesLimit = 20;
export const progressMilliseconds = 10_000;

/**
 * The status of a distribution, and what its rollout decides; also decides, by setting activationTime, when its image becomes a
 * default version.
 */
export function statusOf(o: Observed): { status: ImageDistributionStatus; rollout: RolloutPlan | undefined } {
  const { distribution, now } = o;
  const before = distribution.status ?? {};
  const counted = count(o);
  const distributed = distributedCondition(o, counted);
  const isDistributed = distributed.status === 'True';
  const activation = activate(o, isDistributed);
  const activated = activatedCondition(o, activation, isDistributed);
  const rollout = planRollout({ distribution, find: o.find, distributed: isDistributed, now, ...o.fleet });
  const stated = [
    distributed,
    activated,
    ...rolloutConditions(rollout),
    ...summary(o, { distributed, activated, rollout }),
  ];
  const earlier = rollout ? before.conditions : removeConditions(before.conditions, 'RolledOut', 'RolloutHalted');
  const conditions = setConditions(earlier, stated, distribution.metadata.generation, now);
  const { desired, ready, active, failed, unreachable, failedNodes } = counted;
  const progress = progressOf(o, counted);
  const status: ImageDistributionStatus = {
    observedGeneration: distribution.metadata.generation,
    // An image that does not exist was never distributed.
    image: o.image ? distribution.spec.image : before.image,
    previousImages: previousImages(distribution),
    ...activation,
    nodes: { desired, ready, active, failed, unreachable },
    ...(progress && { progress }),
    failedNodes: failedNodes.slice(0, failedNodesLimit),
    ...(rollout && { containers: rollout.counts, ...(rollout.rollout && { rollout: rollout.rollout }) }),
    conditions,
  };
  return { status, rollout };
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
    // It must still answer what it is asked for now.
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
    failedNodes: those('Failed').flatMap(({ name }) =>
      image ? { node: name, ...failureOf(stores.get(name), image) } : [],
    ),
    unreachableNode: those('Unreachable')[0]?.name,
    downloads: those('Fetching').flatMap(({ stored }) => (stored?.state === 'Fetching' ? stored : [])),
  };
}

/**
 * Whether what an agent says is about what it is asked for now. Once all have answered, a change of something else that it is asked for
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
  // A time that is still to come is of another clock.
  const age = before ? now.getTime() - Date.parse(before.time) : -1;
  if (age >= 0 && age < progressMilliseconds) return before;
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
  const field = distribution.spec.selector ? 'spec.selector' : 'spec.nodeSelector';
  if (isEmptySelector(selectorOf(distribution))) {
    const message = `${field} is empty, which selects no further node: ${ready} nodes that have the image keep it. Name labels in spec.selector, or remove ${field} to select all nodes`;
    return { type, status: 'False', reason: 'EmptySelector', message };
  }
  if (desired === 0) {
    return {
      type,
      status: 'False',
      reason: 'NoNodes',
      message: `No node of architecture ${image.spec.architecture} is selected: see spec.selector, spec.tolerations and the labels of the nodes`,
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
  return {
    type,
    status: 'False',
    reason: isPaused(distribution) ? 'Paused' : 'InProgress',
    message: `${have}${away}${isPaused(distribution) ? '; paused by spec.parallelism 0' : ''}`,
  };
}
