import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { closeNewest, newest } from './history.ts';
import type { Observed } from './observed.ts';
import { isFollower } from './target.ts';
import type { Target } from './target.ts';

/**
 * What was said to a person, or to a tool, and changes what is said next. It is in fields of the status: conditions say what is so
 * now, and each of them may say something else for a while, such as that the container is suspended.
 */
export const rememberAnswers = (o: Observed, target: Target, status: HostedContainerStatus): HostedContainerStatus =>
  rememberHeld(o, target, rememberFallback(target, status));

/** Spec asks for an image that failed, in vain. One that follows the default version asks for none: only a rollout answers for it. */
function rememberHeld(o: Observed, target: Target, status: HostedContainerStatus): HostedContainerStatus {
  const last = newest(status);
  if (last?.outcome !== 'Reverted' || last.held === true || isFollower(o)) return status;
  return target.blockedBy !== undefined || wasHeld(o) ? closeNewest(status, { held: true }) : status;
}

/** An earlier version of the operator remembered it by what the condition said. */
function wasHeld({ container: { status = {} } }: Observed): boolean {
  const said = findCondition(status.conditions, 'Upgraded')?.reason ?? '';
  return newest(status)?.outcome === 'Reverted' && ['FailedBefore', 'Held', 'UpToDate'].includes(said);
}

/** As long as what is asked for cannot be had, also while the default version cannot be had either. */
function rememberFallback({ resolution }: Target, status: HostedContainerStatus): HostedContainerStatus {
  if (resolution.status === 'False') return status;
  const { fallbackImage: _before, ...rest } = status;
  if (resolution.reason !== 'FallbackToDefault' || !resolution.image) return rest;
  return { ...rest, fallbackImage: imageName(resolution.image) };
}
