import type { HostedContainer, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import { ownersOfClaim } from '../../pod/claim.ts';
import { imageName } from '../../pod/image.ts';
import type { UsableImage } from '../../pod/image.ts';
import type { OwnerReference, Pod } from '../../pod/types.ts';
import { setConditions } from '../../runtime/conditions.ts';
import { conditionsOf } from './conditions.ts';
import type { Hindrance } from './conditions.ts';
import { assign, isOnCourse, mustRevertSpec, mustUnassign, setCourse } from './course.ts';
import type { Course } from './course.ts';
import { notesOf } from './notes.ts';
import type { Action, Need, Observed, Plan } from './observed.ts';
import { beginAttempt, closeNewest, findFailure, newest, openAttempt, recordFailure, recordSuccess } from './record.ts';
import { gate } from './gate.ts';
import type { Passage } from './gate.ts';
import { withSoftware } from './images.ts';
import { isLastKnownGood, wayBack } from './last-known-good.ts';
import { judge, mainStatus } from './verdict.ts';

/** What one look at the Pod leads to. */
interface Step {
  actions: Action[];
  status: HostedContainerStatus;
  need?: Need;
  hindrance?: Hindrance;
  requeueAfterSeconds?: number;
}

/**
 * The whole policy of a HostedContainer. Level-based: it may be called in any state, also one that a crash left behind, and
 * does at most one step of an upgrade or revert; the change that the step makes leads to the next call.
 */
export function planHostedContainer(o: Observed): Plan {
  const before = o.container.status ?? {};
  if (o.container.metadata.deletionTimestamp !== undefined) return { actions: [], status: before, notes: [] };
  const course = setCourse(o);
  const step = takeStep(o, course, settleRevert(o, course, assign(before, o, course)));
  if (step.need) return { need: step.need, actions: [], status: before, notes: [] };
  const status = describe(o, afterStep(o, course, step), step);
  const revert: Action[] =
    course.image && mustRevertSpec(o, course) ? [{ type: 'RevertSpec', image: imageName(course.image) }] : [];
  const unassign: Action[] = mustUnassign(o) ? [{ type: 'Unassign' }] : [];
  return {
    actions: [...revert, ...unassign, ...claimActions(o), ...step.actions],
    status,
    notes: notesOf(o, status),
    ...(step.requeueAfterSeconds !== undefined && { requeueAfterSeconds: step.requeueAfterSeconds }),
  };
}

/** An attempt that has succeeded is none any more: that is told at once, not by a second write. */
function afterStep(o: Observed, course: Course, { status }: Step): Course {
  const { lastKnownGoodImage: image, lastKnownGoodDigest: digest } = o.container.status ?? {};
  if (status.lastKnownGoodImage === image && status.lastKnownGoodDigest === digest) return course;
  return setCourse({ ...o, container: { ...o.container, status } });
}

/** A failed attempt counts as reverted once nothing asks for it any more, or it is not for the operator to change that. */
function settleRevert(o: Observed, course: Course, status: HostedContainerStatus): HostedContainerStatus {
  const last = newest(status);
  const leaves =
    course.image !== undefined &&
    !course.isAttempt &&
    last?.outcome === 'Failed' &&
    last.image !== imageName(course.image);
  if (!leaves || mustRevertSpec(o, course)) return status;
  return closeNewest(status, { outcome: 'Reverted' });
}

function takeStep(o: Observed, course: Course, status: HostedContainerStatus): Step {
  const { pod, container } = o;
  const still: Step = { actions: [], status };
  const remove = (why: string): Step => ({
    actions: pod?.metadata.uid ? [{ type: 'DeletePod', uid: pod.metadata.uid, why }] : [],
    status,
  });

  if (pod?.metadata.deletionTimestamp !== undefined) return still;
  if (pod && !isOurs(pod, container)) {
    const message = `A Pod named ${pod.metadata.name} exists and belongs to somebody else: remove it, or choose another name`;
    return { ...still, hindrance: { reason: 'PodConflict', message }, requeueAfterSeconds: 30 };
  }
  if (container.spec.suspend) return pod ? remove('The container is suspended') : still;
  if (!course.image) return still;
  const ended = endOf(pod);
  if (ended !== undefined) return remove(`The Pod ended: ${ended}`);
  return pod && isOnCourse(pod, course) ? watchPod(o, course, status) : replacePod(o, course, status);
}

const isOurs = (pod: Pod, container: HostedContainer): boolean =>
  pod.metadata.ownerReferences?.some((owner) => owner.uid === container.metadata.uid) ?? false;

/** Why the Pod will never run again, as after an eviction; undefined while it may. */
function endOf(pod: Pod | undefined): string | undefined {
  const { phase, reason } = pod?.status ?? {};
  return phase === 'Failed' || phase === 'Succeeded' ? (reason ?? phase) : undefined;
}

/** The right Pod is there: an attempt is judged. */
function watchPod(o: Observed, course: Course, before: HostedContainerStatus): Step {
  const { pod, container, now } = o;
  if (!pod || !course.image) return { actions: [], status: before };
  if (!course.isAttempt) return { actions: [], status: withGoodDigest(before, course.image) };
  const status = ensureAttempt(before, course, now);
  const verdict = judge({ container, pod, now });
  switch (verdict.outcome) {
    case 'InProgress':
      return { actions: [], status, requeueAfterSeconds: verdict.recheckAfterSeconds };
    case 'Succeeded':
      return { actions: [], status: recordSuccess(status, course.image, course.fingerprint, verdict.readyTime) };
    case 'Failed':
      if (course.failedWithoutWayBack) return { actions: [], status };
      if (o.logTail === undefined)
        return { actions: [], status, need: { type: 'LogTail', previous: verdict.previousLog } };
      return {
        actions: [],
        status: recordFailure(status, course.image, course.fingerprint, { ...verdict, logTail: o.logTail }, now),
      };
  }
}

/** The status of an earlier version of the operator has the last known good by name alone. */
function withGoodDigest(status: HostedContainerStatus, image: UsableImage): HostedContainerStatus {
  if (status.lastKnownGoodDigest !== undefined || status.lastKnownGoodImage !== imageName(image)) return status;
  return { ...status, lastKnownGoodDigest: image.digest };
}

/** There is no Pod, or one of another shape or image: nothing is touched before everything says that the next one can run. */
function replacePod(o: Observed, course: Course, before: HostedContainerStatus): Step {
  const { pod, now } = o;
  const image = course.image;
  if (!image) return { actions: [], status: before };
  const passed = gate(o, image);
  if ('need' in passed) return { actions: [], status: before, need: passed.need };
  if ('hindrance' in passed) {
    const { reason, message } = passed.hindrance;
    if (reason !== 'PodForbidden' || !course.isAttempt || before.lastKnownGoodImage === undefined) {
      return { ...standIn(o, course, before), hindrance: passed.hindrance, requeueAfterSeconds: 30 };
    }
    // The Pod was refused: the attempt has failed before it cost the running container anything.
    return {
      actions: [],
      status: recordFailure(ensureAttempt(before, course, now), image, course.fingerprint, { reason, message }, now),
    };
  }
  const status = course.isAttempt ? ensureAttempt(before, course, now) : before;
  if (!pod) return creation(passed, status);
  const from = pod.metadata.annotations?.[annotations.image] ?? 'another image';
  const why =
    from === imageName(image)
      ? `Restarting ${from} because its specification changed`
      : `Going from ${from} to ${imageName(image)}`;
  return { actions: [{ type: 'DeletePod', uid: pod.metadata.uid ?? '', why }], status };
}

/** There is no Pod, and the way forward is shut: whatever shuts it, the last known good runs if it can. */
function standIn(o: Observed, course: Course, status: HostedContainerStatus): Step {
  const good = wayBack(o.container, o.catalog);
  if (o.pod || !course.isAttempt || !good) return { actions: [], status };
  const passed = gate(o, withSoftware(o.container, o.catalog, good));
  if ('need' in passed) return { actions: [], status, need: passed.need };
  return 'pod' in passed ? creation(passed, status) : { actions: [], status };
}

const creation = ({ pod, claim }: Extract<Passage, { pod: Pod }>, status: HostedContainerStatus): Step => ({
  actions: [...(claim ? [{ type: 'CreateClaim' as const, claim }] : []), { type: 'CreatePod', pod }],
  status,
});

/** The claim of the template follows `whenDeleted`, also when that is changed later. */
function claimActions({ container, claim }: Observed): Action[] {
  if (!claim || claim.metadata.deletionTimestamp !== undefined || !container.spec.data?.claimTemplate) return [];
  const owners = ownersOfClaim(container);
  const uids = (list: readonly OwnerReference[]) => list.map((owner) => owner.uid).join();
  return uids(claim.metadata.ownerReferences ?? []) === uids(owners) ? [] : [{ type: 'OwnClaim', claim, owners }];
}

/** The attempt that the course is on is in the history, also when a crash came between the Pod and the status. */
function ensureAttempt(status: HostedContainerStatus, course: Course, now: Date): HostedContainerStatus {
  const name = course.image ? imageName(course.image) : '';
  if (openAttempt(status)?.image === name || course.failedWithoutWayBack) return status;
  return beginAttempt(status, name, now);
}

/** The status that tells all this. */
function describe(o: Observed, course: Course, step: Step): HostedContainerStatus {
  const { pod, container, now } = o;
  const { generation } = container.metadata;
  const { targetImage: _target, ...rest } = step.status;
  const isNews = course.image && !isLastKnownGood(rest, course.image) && !findFailure(rest, course.fingerprint);
  const status: HostedContainerStatus = {
    ...rest,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...runningImage(pod),
    ...(isNews && course.image && { targetImage: imageName(course.image) }),
    nodeName: nodeOf(o),
    podIP: pod?.status?.podIP,
    restarts: mainStatus(pod)?.restartCount,
  };
  const stated = conditionsOf({ observed: o, course, hindrance: step.hindrance, status });
  return { ...status, conditions: setConditions(container.status?.conditions, stated, generation, now) };
}

/** What the Pod runs, once its container has a state. */
function runningImage(pod: Pod | undefined): Pick<HostedContainerStatus, 'image' | 'digest'> {
  if (!pod || pod.metadata.deletionTimestamp !== undefined || mainStatus(pod)?.state === undefined) return {};
  const { [annotations.image]: image, [annotations.digest]: digest } = pod.metadata.annotations ?? {};
  return { ...(image && { image }), ...(digest && { digest }) };
}

/** The node of the Pod; between two Pods still the last one, because the way back is pinned there. */
function nodeOf({ pod, container }: Observed): string | undefined {
  const last = container.spec.suspend ? undefined : container.status?.nodeName;
  return pod?.spec.nodeName ?? last;
}
