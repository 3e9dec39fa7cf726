import type { Attempt, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { pauseSeconds, pauseText, pauses } from '../interruption.ts';
import type { Ending } from '../interruption.ts';
import { nodeAnswers, podEnd } from '../pod-end.ts';
import { followAttempt, interruptAttempt, interruptTarget, interruptionOf } from './attempt.ts';
import type { Blocker } from './input.ts';
import { matchesTarget } from './target.ts';
import type { Target } from './target.ts';
import type { Action, Query, Observed } from './observed.ts';
import {
  beginAttempt,
  closeTakenBack,
  forgetFailure,
  isOf,
  openAttempt,
  recordFailure,
  recordSuccess,
} from './history.ts';
import { mainStatus, outcomeOf, withoutMounts } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import { wayBackOf } from './way-back.ts';

/** What one look at the Pod leads to. */
export interface Decision {
  actions: Action[];
  status: HostedContainerStatus;
  query?: Query;
  blocker?: Blocker;
  requeueAfterSeconds?: number;
}

/** Its Pod is looked at until it is known to be good: an attempt, or a shape that failed before and may run well now. */
const isJudged = (target: Target): boolean => target.isAttempt || target.failedWithoutWayBack !== undefined;

/** The status with what the attempt remembers, as its Pod tells it now; without it when there is no attempt any more. */
export function trackAttempt(o: Observed, target: Target, status: HostedContainerStatus): HostedContainerStatus {
  const { attempt: before, ...rest } = status;
  const { pod, nodes, isRestarting = false, leadingSince, now } = o;
  const last = pod ?? o.deletedByOthers;
  const isCurrent = last === undefined || nodeAnswers(last, nodes);
  const seen = { nodeAnswers: isCurrent, isRestarting, leadingSince, now };
  if (!target.image) {
    if (!before) return status;
    const { fingerprint } = before;
    return { ...rest, attempt: followAttempt(before, { ...seen, fingerprint, pod: undefined }) };
  }
  if (!isJudged(target)) return closeTakenBack(rest, target.image, now);
  // As between two Pods no clock runs while the container of before a patch still stops.
  const isStopping = isRestarting && mainStatus(pod)?.state === undefined;
  const isOwn = pod && pod.metadata.deletionTimestamp === undefined && matchesTarget(pod, target);
  const own = isOwn && !isStopping ? pod : undefined;
  if (!own && !before) return status;
  return { ...rest, attempt: followAttempt(before, { ...seen, fingerprint: target.fingerprint, pod: own }) };
}

/** The attempt at the target is in the history, also when a crash came between the Pod and the status. */
export function ensureAttempt(status: HostedContainerStatus, target: Target, now: Date): HostedContainerStatus {
  const { image } = target;
  const open = openAttempt(status);
  if (!image || target.failedWithoutWayBack || (open && isOf(open, image))) return status;
  return beginAttempt(status, image, now);
}

/** How often it is looked whether the node plugin is there again: its label may come without a change of the Pod. */
const mountsSeconds = 5;

/** The right Pod is there: an attempt is judged, and a Pod that ended is replaced. */
export function watchPod(o: Observed, target: Target, pod: Pod, before: HostedContainerStatus): Decision {
  const { image } = target;
  const waits = withoutMounts(pod, o.nodes, o.directMountsTime, o.stored);
  if (waits === 'Wait') return { actions: [], status: before, requeueAfterSeconds: mountsSeconds };
  if (waits === 'Replace') {
    // A plugin that registers and never answers must not cost a Pod every few seconds.
    const message = 'The container was made without its mounts, and the node plugin answers again';
    return replaceEnded(o, target, before, { pod, reason: 'NoMounts', message, brief: true });
  }
  const end = podEnd(pod);
  if (!image || !isJudged(target) || !before.attempt) {
    if (end) return replaceEnded(o, target, before, { pod, ...end });
    return { actions: [], status: image ? withGoodDigest(before, image) : before };
  }
  const status = target.isAttempt ? ensureAttempt(before, target, o.now) : before;
  const hasWayBack = wayBackOf(o, target) !== undefined;
  const attempt = end
    ? interruptAttempt(before.attempt, ending(o, hasWayBack, { pod, ...end }), target)
    : before.attempt;
  const { container, logTail, leadingSince, now } = o;
  const outcome = outcomeOf({ container, pod, attempt, hasWayBack, logTail, leadingSince, now });
  return follow(o, target, { pod, attempt, outcome, hasWayBack }, status);
}

/** The status of an earlier version of the operator has the last known good by name alone. */
function withGoodDigest(status: HostedContainerStatus, image: UsableImage): HostedContainerStatus {
  if (status.lastKnownGoodDigest !== undefined || status.lastKnownGoodImage !== imageName(image)) return status;
  return { ...status, lastKnownGoodDigest: image.digest };
}

interface JudgedPod {
  pod: Pod;
  attempt: Attempt;
  outcome: Outcome;
  hasWayBack: boolean;
}

/** What an outcome leads to. */
function follow(o: Observed, target: Target, it: JudgedPod, status: HostedContainerStatus): Decision {
  const { image, fingerprint: print } = target;
  const { outcome, pod } = it;
  if (!image) return { actions: [], status };
  switch (outcome.type) {
    case 'InProgress': {
      const { requeueAfterSeconds } = outcome;
      return { actions: [], status, ...(requeueAfterSeconds && { requeueAfterSeconds }) };
    }
    case 'Succeeded': {
      const good = target.isAttempt
        ? recordSuccess(status, image, print, outcome.readyTime)
        : forgetFailure(status, print);
      return { actions: [], status: good };
    }
    case 'Inconclusive':
      return replaceEnded(o, target, status, { pod, ...outcome });
    case 'Failed': {
      if (target.failedWithoutWayBack) {
        const end = podEnd(pod);
        return end ? replaceEnded(o, target, status, { pod, ...end }) : { actions: [], status };
      }
      const { logTail } = o;
      if (logTail === undefined)
        return { actions: [], status, query: { type: 'LogTail', previous: outcome.previousLog } };
      return { actions: [], status: recordFailure(status, image, print, { ...outcome, logTail: logTail.text }, o.now) };
    }
  }
}

/** How a Pod ended that says nothing about the image. */
export interface End {
  pod: Pod;
  reason: string;
  message: string;
  /** False: it is still there, and has waited for too long. */
  ended?: boolean;
  /** Pods that end for this reason do so within seconds of their start. */
  brief?: boolean;
}

const ending = (o: Observed, isServed: boolean, { ended = true, ...end }: End): Ending => ({
  ...end,
  ended,
  pause: isServed ? pauses.served : pauses.down,
  now: o.now,
});

/** The Pod goes, and what ended it is remembered: the next one comes after a pause that grows. */
export function replaceEnded(o: Observed, target: Target, status: HostedContainerStatus, end: End): Decision {
  const known = withEnd(o, target, status, end);
  const interruption = interruptionOf(known, target);
  const { uid } = end.pod.metadata;
  return {
    actions: uid === undefined ? [] : [{ type: 'DeletePod', uid, why: `The Pod ended: ${end.reason}: ${end.message}` }],
    status: known,
    ...(interruption && { blocker: { reason: 'Interrupted', message: pauseText(interruption) } }),
    requeueAfterSeconds: Math.max(0.05, pauseSeconds(interruption, o.now)),
  };
}

/** The status with the end of this Pod of the target; the same Pod counts once. */
export function withEnd(o: Observed, target: Target, status: HostedContainerStatus, end: End): HostedContainerStatus {
  const it = ending(o, wayBackOf(o, target) !== undefined, end);
  if (target.isAttempt) {
    const attempt = status.attempt ?? { fingerprint: target.fingerprint };
    return { ...status, attempt: interruptAttempt(attempt, it, target) };
  }
  return { ...status, interruption: interruptTarget(status.interruption, it, target) };
}
