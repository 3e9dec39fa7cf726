import type { Attempt, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import type { Interruption } from '../../api/interruption.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { interrupt } from '../interruption.ts';
import type { Ending } from '../interruption.ts';
import { isOwnExit, podEnd } from '../pod-end.ts';
import { elapsedAtEnd, notAfter } from './clock.ts';
import type { Target } from './target.ts';
import { exits, hadNoMounts, lastExit, mainStatus, readyTransition, startError } from './outcome.ts';

/**
 * What an attempt remembers over all of its Pods. All times are by the clock of the operator: of those of a kubelet it only
 * looks at whether they have changed, so that a node whose clock is wrong decides nothing.
 */

export interface AttemptView {
  fingerprint: string;
  /** The Pod of the attempt, unless it is being deleted. */
  pod: Pod | undefined;
  /** Its node, or that of the one that is going or gone, answers: what the status of the Pod says is current. */
  nodeAnswers: boolean;
  /** The status of the Pod still tells of the container that ran before it was patched. */
  isRestarting?: boolean;
  leadingSince?: Date | undefined;
  now: Date;
}

/** The attempt with what the Pod tells now. Another fingerprint is another attempt. */
export function followAttempt(before: Attempt | undefined, view: AttemptView): Attempt {
  const known =
    before?.fingerprint === view.fingerprint ? notAfter(before, view.now) : { fingerprint: view.fingerprint };
  const { pod } = view;
  if (!pod) return stopClock(known, view);
  return withReadiness(withClock(withExits(known, pod), view), view);
}

/** Adds the exits that the Pod tells of and that are not counted yet. */
function withExits(attempt: Attempt, pod: Pod): Attempt {
  const uid = pod.metadata.uid ?? '';
  const counted = attempt.podUID === uid ? (attempt.podExits ?? 0) : 0;
  const reported = exits(pod);
  if (reported === counted && attempt.podUID === uid) return attempt;
  // A Pod that is patched once more begins to count again.
  if (reported === 0) return counted === 0 ? attempt : { ...attempt, podExits: 0 };
  const last = lastExit(pod);
  const own = last === undefined || (isOwnExit(last) && !hadNoMounts(pod)) ? Math.max(0, reported - counted) : 0;
  return { ...attempt, podUID: uid, podExits: reported, exits: (attempt.exits ?? 0) + own };
}

function withClock(attempt: Attempt, view: AttemptView): Attempt {
  const { pod, nodeAnswers, now } = view;
  if (pod && nodeAnswers && canRun(pod)) {
    const { waitingSince: _waiting, ...rest } = attempt;
    return { ...rest, runningSince: attempt.runningSince ?? now.toISOString() };
  }
  const still = stopClock(attempt, view);
  // A Pod on a node that does not answer cannot be replaced: it is not waited for, but for its node.
  if (!nodeAnswers || !pod || podEnd(pod)) return still;
  return { ...still, waitingSince: attempt.waitingSince ?? now.toISOString() };
}

/** Its process runs, or it is for the process alone that it does not. */
function canRun(pod: Pod): boolean {
  if (podEnd(pod)) return false;
  const state = mainStatus(pod)?.state;
  if (state?.running) return true;
  const last = lastExit(pod);
  if (!last || !isOwnExit(last) || hadNoMounts(pod) || startError(pod)) return false;
  return state?.waiting === undefined || state.waiting.reason === 'CrashLoopBackOff';
}

function stopClock(attempt: Attempt, view: AttemptView): Attempt {
  const { runningSince, waitingSince: _waiting, readySince: _ready, readyTransitionTime: _time, ...rest } = attempt;
  if (runningSince === undefined) return rest;
  return { ...rest, elapsedSeconds: Math.floor(elapsedAtEnd(attempt, view)) };
}

function withReadiness(attempt: Attempt, { pod, nodeAnswers, isRestarting, now }: AttemptView): Attempt {
  const { readySince, readyTransitionTime, ...rest } = attempt;
  const transition = nodeAnswers && !isRestarting ? readyTransition(pod) : undefined;
  if (transition === undefined) return rest;
  const since = readyTransitionTime === transition ? readySince : undefined;
  return { ...rest, readySince: since ?? now.toISOString(), readyTransitionTime: transition };
}

/** The attempt with one more Pod that ended; the eviction counts when the container has caused it. */
export function interruptAttempt(attempt: Attempt, ending: Ending, target: Target): Attempt {
  const interruption = interruptTarget(attempt.interruption, ending, target);
  if (interruption === attempt.interruption) return attempt;
  const own = podEnd(ending.pod)?.cause === 'OwnUsage' ? 1 : 0;
  return { ...attempt, interruption, ...(own > 0 && { evictions: (attempt.evictions ?? 0) + own }) };
}

/** One more Pod of this target that ended. Pods that were made for something else are another row. */
export function interruptTarget(before: Interruption | undefined, ending: Ending, target: Target): Interruption {
  const known = before && isFor(before, target) ? before : undefined;
  const after = interrupt(known, ending);
  return after === known ? known : { ...after, podHash: target.podHash };
}

/**
 * What interrupted the Pods of this target, if anything did. Whoever asks for another Pod, by another spec or by `restartToken`,
 * does not wait for a pause.
 */
export function interruptionOf(status: HostedContainerStatus, target: Target): Interruption | undefined {
  const isThis = target.isAttempt && status.attempt?.fingerprint === target.fingerprint;
  const interruption = target.isAttempt ? (isThis ? status.attempt?.interruption : undefined) : status.interruption;
  return interruption && isFor(interruption, target) ? interruption : undefined;
}

/** An earlier version of the operator did not say what the Pods of an attempt were made for. */
const isFor = ({ podHash }: Interruption, target: Target): boolean =>
  podHash === target.podHash || (podHash === undefined && target.isAttempt);
