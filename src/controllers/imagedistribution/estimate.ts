import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import { parseReference } from '../../api/images.ts';
import { sameStatus } from '../../runtime/status.ts';
import { measureDurations } from './forecast/durations.ts';
import { simulateTypical } from './forecast/forecast.ts';
import type { Observed } from './observed.ts';
import type { RolloutPlan, RolloutReason } from './rollout/observed.ts';

/** One of more plans is not foreseen: that would keep the operator from its work for a second or more. */
const mostPlans = 1000;
/** Another time than before is news from here on, in milliseconds and as a part of what is left. */
const [leastNewsMilliseconds, newsPart] = [60_000, 0.05];
/** Others have no end that could be foreseen. */
const goingOn: ReadonlySet<RolloutReason> = new Set<RolloutReason>(['RollingOut', 'OutsideWindow']);

/** The status with the estimate that it had, as long as the rollout goes on. */
export function withEarlierEstimate(
  status: ImageDistributionStatus,
  plan: RolloutPlan | undefined,
): ImageDistributionStatus {
  const { rollout } = status;
  if (rollout?.estimatedCompletionTime === undefined || (plan && goingOn.has(plan.reason))) return status;
  return { ...status, rollout: without(rollout) };
}

const without = ({ estimatedCompletionTime: _earlier, ...rollout }: NonNullable<ImageDistributionStatus['rollout']>) =>
  rollout;

/**
 * The status with a new estimate of when the rollout ends, by the operator's own planner. Only for a status that is written
 * anyway, so that an estimate never is the cause of a write, and only when `estimateWaitMilliseconds` has passed.
 */
export function withEstimate(
  o: Observed,
  status: ImageDistributionStatus,
  plan: RolloutPlan | undefined,
): ImageDistributionStatus {
  const { rollout } = status;
  const isAsked = plan !== undefined && goingOn.has(plan.reason) && plan.queries.length === 0;
  if (!rollout || !isAsked || (o.estimateWaitMilliseconds ?? 0) > 0) return status;
  if (sameStatus(o.distribution.status, status)) return status;
  const end = estimate(o, status);
  const earlier = rollout.estimatedCompletionTime;
  if (end && earlier !== undefined && !isNews(new Date(earlier), end, o.now)) return status;
  return { ...status, rollout: { ...without(rollout), ...(end && { estimatedCompletionTime: end.toISOString() }) } };
}

function isNews(earlier: Date, end: Date, now: Date): boolean {
  const left = Math.max(0, end.getTime() - now.getTime());
  return Math.abs(end.getTime() - earlier.getTime()) > Math.max(leastNewsMilliseconds, left * newsPart);
}

/** Undefined when the rollout does not come to an end by itself. */
function estimate(o: Observed, status: ImageDistributionStatus): Date | undefined {
  const { containers, distributions } = o.fleet;
  const { os } = parseReference(o.distribution.spec.image);
  const fleet = {
    distribution: { ...o.distribution, status },
    distributions,
    containers,
    find: o.find,
    distributedTime: o.now,
    now: o.now,
  };
  return simulateTypical(fleet, measureDurations(containers, os), 0, mostPlans)?.completionTime;
}
