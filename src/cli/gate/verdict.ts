import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { RolloutStatus } from '../../api/rollout.ts';
import type { Answer } from './ask.ts';

/** What the operator would make of this answer if it had asked now. */
export function verdictOf(distribution: ImageDistribution, { name, holds }: Answer): string {
  const { failureLimit = 0 } =
    distribution.spec.activate.existingContainers?.gates?.find((it) => it.name === name) ?? {};
  const rollout = soakingRollout(distribution);
  const when = rollout ? 'in this soak' : 'in a soak; there is none now';
  if (holds) return `goes on ${when}`;
  const failures = (rollout?.gates?.find((it) => it.name === name)?.failures ?? 0) + 1;
  const what = failures > failureLimit ? 'halts the rollout' : 'waits until it holds';
  return `${what} ${when} (failure ${failures}, and failureLimit is ${failureLimit})`;
}

/** The rollout to the image, if it soaks now. */
function soakingRollout({ spec, status }: ImageDistribution): RolloutStatus | undefined {
  const { rollout } = status ?? {};
  if (rollout?.image !== spec.image || rollout.soakStartTime === undefined) return undefined;
  return rollout.completionTime === undefined && rollout.haltTime === undefined ? rollout : undefined;
}
