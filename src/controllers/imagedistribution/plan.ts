import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { Action, GateQuery, Observed, Plan } from './observed.ts';
import { withEarlierEstimate, withEstimate } from './estimate.ts';
import { isNews } from './pace.ts';
import { eventsFor } from './rollout/events.ts';
import type { RolloutPlan } from './rollout/observed.ts';
import { progressMilliseconds } from './counts.ts';
import { statusOf } from './status.ts';

/** That an agent speaks of something else again makes no event. */
const unreachableMilliseconds = 60_000;

/** The whole policy of a distribution: its status, which containers it moves now, and which gates it must ask before. */
export function planImageDistribution(o: Observed): Plan {
  const { status: before } = o.distribution;
  const { status: seen, rollout } = statusOf(o);
  const status = withEarlierEstimate(seen, rollout);
  // Numbers alone are written once a second: a rollout to thousands must not write for each container.
  const wait = before && !isNews(before, status) ? (o.countsWaitMilliseconds ?? 0) : 0;
  return {
    queries: rollout && queriesOf(o, rollout),
    actions: rollout ? actionsOf(o, rollout) : [],
    status: before && wait > 0 ? before : withEstimate(o, status, rollout),
    events: eventsFor(before?.rollout, status.rollout),
    requeueAfterSeconds: requeueAfterSeconds(o, status, rollout, wait),
  };
}

function queriesOf({ distribution }: Observed, { queries, counts, rollout }: RolloutPlan): GateQuery[] {
  const { metadata, spec } = distribution;
  const question = { distribution: metadata.name, image: spec.image, wave: rollout?.wave ?? 0, counts };
  return queries.map((gate) => ({ gate, question }));
}

/** A halt is reported only once its evidence is written: whoever finds no evidence then has lifted it. */
function actionsOf({ image }: Observed, { condemn, assign }: RolloutPlan): Action[] {
  return [
    ...(condemn !== undefined && image
      ? [{ type: 'Condemn' as const, image, evidence: condemn, required: true as const }]
      : []),
    ...(assign.length > 0 ? [{ type: 'Assign' as const, assignments: assign }] : []),
  ];
}

/** When it must be planned again even if nothing changes. */
function requeueAfterSeconds(
  { now }: Observed,
  { nodes }: ImageDistributionStatus,
  rollout: RolloutPlan | undefined,
  countsWaitMilliseconds: number,
): number | undefined {
  const waits = [
    // Progress that is not written yet, and agents that may fall silent.
    ...(nodes?.active ? [progressMilliseconds] : []),
    ...(nodes?.unreachable ? [unreachableMilliseconds] : []),
    ...(countsWaitMilliseconds > 0 ? [countsWaitMilliseconds] : []),
    ...(rollout?.requeueTime ? [Math.max(1, rollout.requeueTime.getTime() - now.getTime())] : []),
  ];
  return waits.length > 0 ? Math.min(...waits) / 1000 : undefined;
}
