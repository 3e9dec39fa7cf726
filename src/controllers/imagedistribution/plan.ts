import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import { parseReference } from '../../pod/image.ts';
import type { Node } from '../../pod/types.ts';
import { setCondition } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { nodeState, selectedNodes, storedImage } from '../storage.ts';

export interface Observed {
  distribution: ImageDistribution;
  /** The image that it names, if that exists. */
  image: OSImage | undefined;
  nodes: readonly Node[];
  stores: ReadonlyMap<string, NodeStore>;
  now: Date;
}

const failedNodesLimit = 20;

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
  const { failedNodes, ...nodes } = counted;
  return {
    observedGeneration: distribution.metadata.generation,
    ...activation,
    nodes,
    failedNodes: failedNodes.slice(0, failedNodesLimit),
    conditions,
  };
}

type Counted = Required<NonNullable<ImageDistributionStatus['nodes']>> & {
  failedNodes: NonNullable<ImageDistributionStatus['failedNodes']>;
};

function count({ distribution, image, nodes, stores }: Observed): Counted {
  const out: Counted = { desired: 0, ready: 0, active: 0, failed: 0, failedNodes: [] };
  if (!image) return out;
  for (const node of selectedNodes(distribution, image, nodes)) {
    const store = stores.get(node.metadata.name);
    const state = nodeState(store, image);
    out.desired += 1;
    if (state === 'Ready') out.ready += 1;
    if (state === 'Fetching') out.active += 1;
    if (state !== 'Failed') continue;
    out.failed += 1;
    const stored = storedImage(store, image);
    out.failedNodes.push({
      node: node.metadata.name,
      reason: stored?.reason ?? 'Failed',
      message: stored?.message ?? '',
    });
  }
  return out;
}

function distributedCondition(
  { distribution, image }: Observed,
  { desired, ready, failed, failedNodes }: Counted,
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
  const paused = distribution.spec.parallelism === 0 || distribution.spec.parallelism === '0%';
  return {
    type,
    status: 'False',
    reason: paused ? 'Paused' : 'InProgress',
    message: `${ready} of ${desired} nodes have it${paused ? '; paused by spec.parallelism 0' : ''}`,
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
  const stalled = missing !== undefined && (failed > 0 || ['UnknownImage', 'NoNodes'].includes(missing.reason));
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
