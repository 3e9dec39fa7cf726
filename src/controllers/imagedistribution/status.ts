import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { removeConditions, setConditions } from '../../runtime/conditions.ts';
import { previousImages } from '../default-version.ts';
import { activate } from './activation.ts';
import { conditionsOf, isDistributed } from './conditions.ts';
import { countNodes, progressOf } from './counts.ts';
import type { Observed } from './observed.ts';
import { planRollout } from './rollout/plan.ts';
import type { RolloutPlan } from './rollout/observed.ts';

const failedNodesLimit = 20;

/**
 * The status of a distribution, and what its rollout decides; also decides, by setting activationTime, when its image becomes a
 * default version.
 */
export function statusOf(o: Observed): { status: ImageDistributionStatus; rollout: RolloutPlan | undefined } {
  const { distribution, now } = o;
  const before = distribution.status ?? {};
  const counted = countNodes(o);
  const distributed = isDistributed({ o, counted });
  const activation = activate(o, distributed);
  const rollout = planRollout({ distribution, find: o.find, distributed, now, ...o.fleet });
  const stated = conditionsOf({ o, counted, activation, rollout });
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
