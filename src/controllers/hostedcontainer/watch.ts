import type { Attempt, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { pauseSeconds, pauseText, pauses } from '../interruption.ts';
import type { Ending } from '../interruption.ts';
import { nodeAnswers, podEnd } from '../pod-end.ts';
import { followAttempt, interruptAttempt, interruptCourse, interruptionOf } from './attempt.ts';
import type { Hindrance } from './situation.ts';
import { isOnCourse } from './target.ts';
import type { Course } from './target.ts';
import type { Action, Need, Observed } from './observed.ts';
import {
  beginAttempt,
  closeTakenBack,
  forgetFailure,
  isOf,
  openAttempt,
  recordFailure,
  recordSuccess,
} from './history.ts';
import { judge } from './outcome.ts';
import type { Verdict } from './outcome.ts';
import { wayBackOf } from './way-back.ts';

/** What one look at the Pod leads to. */
export interface Step {
  actions: Action[];
  status: HostedContainerStatus;
  need?: Need;
  hindrance?: Hindrance;
  requeueAfterSeconds?: number;
}

/** Its Pod is looked at until it is known to be good: an attempt, or a shape that failed before and may run well now. */
const isJudged = (course: Course): boolean => course.isAttempt || course.failedWithoutWayBack !== undefined;

/** The status with what the attempt remembers, as its Pod tells it now; without it when there is no attempt any more. */
export function trackAttempt(o: Observed, course: Course, status: HostedContainerStatus): HostedContainerStatus {
  const { attempt: before, ...rest } = status;
  const { pod, nodes, leadingSince, now } = o;
  const last = pod ?? o.deletedByOthers;
  const seen = { nodeAnswers: last === undefined || nodeAnswers(last, nodes), leadingSince, now };
  if (!course.image) {
    if (!before) return status;
    const { fingerprint } = before;
    return { ...rest, attempt: followAttempt(before, { ...seen, fingerprint, pod: undefined }) };
  }
  if (!isJudged(course)) return closeTakenBack(rest, course.image, now);
  const own = pod && pod.metadata.deletionTimestamp === undefined && isOnCourse(pod, course) ? pod : undefined;
  if (!own && !before) return status;
  return { ...rest, attempt: followAttempt(before, { ...seen, fingerprint: course.fingerprint, pod: own }) };
}

/** The attempt that the course is on is in the history, also when a crash came between the Pod and the status. */
export function ensureAttempt(status: HostedContainerStatus, course: Course, now: Date): HostedContainerStatus {
  const { image } = course;
  const open = openAttempt(status);
  if (!image || course.failedWithoutWayBack || (open && isOf(open, image))) return status;
  return beginAttempt(status, image, now);
}

/** The right Pod is there: an attempt is judged, and a Pod that ended is replaced. */
export function watchPod(o: Observed, course: Course, pod: Pod, before: HostedContainerStatus): Step {
  const { image } = course;
  const end = podEnd(pod);
  if (!image || !isJudged(course) || !before.attempt) {
    if (end) return replaceEnded(o, course, before, { pod, ...end });
    return { actions: [], status: image ? withGoodDigest(before, image) : before };
  }
  const status = course.isAttempt ? ensureAttempt(before, course, o.now) : before;
  const hasWayBack = wayBackOf(o, course) !== undefined;
  const attempt = end
    ? interruptAttempt(before.attempt, ending(o, hasWayBack, { pod, ...end }), course)
    : before.attempt;
  const { container, logTail, leadingSince, now } = o;
  const verdict = judge({ container, pod, attempt, hasWayBack, logTail, leadingSince, now });
  return follow(o, course, { pod, attempt, verdict, hasWayBack }, status);
}

/** The status of an earlier version of the operator has the last known good by name alone. */
function withGoodDigest(status: HostedContainerStatus, image: UsableImage): HostedContainerStatus {
  if (status.lastKnownGoodDigest !== undefined || status.lastKnownGoodImage !== imageName(image)) return status;
  return { ...status, lastKnownGoodDigest: image.digest };
}

interface Judgement {
  pod: Pod;
  attempt: Attempt;
  verdict: Verdict;
  hasWayBack: boolean;
}

/** What a verdict leads to. */
function follow(o: Observed, course: Course, it: Judgement, status: HostedContainerStatus): Step {
  const { image, fingerprint: print } = course;
  const { verdict, pod } = it;
  if (!image) return { actions: [], status };
  switch (verdict.outcome) {
    case 'InProgress': {
      const { recheckAfterSeconds } = verdict;
      return { actions: [], status, ...(recheckAfterSeconds && { requeueAfterSeconds: recheckAfterSeconds }) };
    }
    case 'Succeeded': {
      const good = course.isAttempt
        ? recordSuccess(status, image, print, verdict.readyTime)
        : forgetFailure(status, print);
      return { actions: [], status: good };
    }
    case 'Inconclusive':
      return replaceEnded(o, course, status, { pod, ...verdict });
    case 'Failed': {
      if (course.failedWithoutWayBack) {
        const end = podEnd(pod);
        return end ? replaceEnded(o, course, status, { pod, ...end }) : { actions: [], status };
      }
      const { logTail } = o;
      if (logTail === undefined)
        return { actions: [], status, need: { type: 'LogTail', previous: verdict.previousLog } };
      return { actions: [], status: recordFailure(status, image, print, { ...verdict, logTail: logTail.text }, o.now) };
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
  /** Somebody else deleted it. */
  deleted?: boolean;
}

const ending = (o: Observed, isServed: boolean, { ended = true, ...end }: End): Ending => ({
  ...end,
  ended,
  pause: isServed ? pauses.served : pauses.down,
  now: o.now,
});

/** The Pod goes, and what ended it is remembered: the next one comes after a pause that grows. */
export function replaceEnded(o: Observed, course: Course, status: HostedContainerStatus, end: End): Step {
  const known = withEnd(o, course, status, end);
  const interruption = interruptionOf(known, course);
  const { uid } = end.pod.metadata;
  return {
    actions: uid === undefined ? [] : [{ type: 'DeletePod', uid, why: `The Pod ended: ${end.reason}: ${end.message}` }],
    status: known,
    ...(interruption && { hindrance: { reason: 'Interrupted', message: pauseText(interruption) } }),
    requeueAfterSeconds: Math.max(0.05, pauseSeconds(interruption, o.now)),
  };
}

/** The status with the end of this Pod of the course; the same Pod counts once. */
export function withEnd(o: Observed, course: Course, status: HostedContainerStatus, end: End): HostedContainerStatus {
  const it = ending(o, wayBackOf(o, course) !== undefined, end);
  if (course.isAttempt) {
    const attempt = status.attempt ?? { fingerprint: course.fingerprint };
    return { ...status, attempt: interruptAttempt(attempt, it, course) };
  }
  return { ...status, interruption: interruptCourse(status.interruption, it, course) };
}
