import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { isSuspended } from '../../pod/suspended.ts';
import { deletedByHand } from '../interruption.ts';
import { disruptionOf, podEnd } from '../pod-end.ts';
import { matchesTarget } from './target.ts';
import type { Target } from './target.ts';
import type { Observed } from './observed.ts';
import { isOurs } from './own-pod.ts';
import { withEnd } from './watch.ts';
import type { End } from './watch.ts';
import { wayBackOf } from './way-back.ts';

/**
 * The status with the Pod that somebody else has deleted, if it is one that should run. A person who deletes it wants another
 * one at once; a descheduler, a preemption or a controller that fights for the name may do it again and again: each further one
 * of a row comes later.
 */
export function countDeletion(o: Observed, target: Target, status: HostedContainerStatus): HostedContainerStatus {
  const { deletedByOthers: pod, container } = o;
  if (!pod || !isOurs(pod, container) || isSuspended(container) || podEnd(pod)) return status;
  const served = [target, wayBackOf(o, target)].find((it) => it?.image !== undefined && matchesTarget(pod, it));
  return served ? withEnd(o, served, status, endOf(pod)) : status;
}

function endOf(pod: Pod): End {
  const { reason = deletedByHand, message = 'Somebody deleted it' } = (pod.status && disruptionOf(pod.status)) ?? {};
  return { pod, reason, message, brief: true };
}
