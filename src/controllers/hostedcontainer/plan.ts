import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations, labels } from '../../api/names.ts';
import { imageName } from '../../api/images.ts';
import { buildPod } from '../../pod/pod.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { removeConditions, setConditions } from '../../runtime/conditions.ts';
import { truncate } from '../../runtime/text.ts';
import { pauseSeconds, pauseText } from '../interruption.ts';
import { podEnd } from '../pod-end.ts';
import { adopt } from './adopt.ts';
import { interruptionOf } from './attempt.ts';
import { conditionsOf } from './conditions.ts';
import { permittedType } from './permitted.ts';
import { upgradeInPlace, withoutEarlier } from './in-place.ts';
import type { InPlace } from './in-place.ts';
import type { Blocker } from './input.ts';
import { assign, matchesTarget, mustRevertSpec, mustUnassign, chooseTarget } from './target.ts';
import type { Target } from './target.ts';
import { dataActions } from './data.ts';
import { keptDeadline, requeueSeconds } from './first-start.ts';
import { preflight, isRefused } from './preflight.ts';
import type { PreflightResult } from './preflight.ts';
import { withChosenMounts } from './mounts.ts';
import { isLastKnownGood, lastKnownGood } from './last-known-good.ts';
import { eventsFor } from './events.ts';
import { dryRunOf } from './observed.ts';
import { isLeaving, whoseIsIt, withoutStranger } from './own-pod.ts';
import type { Action, Failure, Observed, Plan } from './observed.ts';
import { closeNewest, findFailure, isOf, newest, recordFailure } from './history.ts';
import { countDeletion } from './taken-pod.ts';
import { mainStatus } from './outcome.ts';
import { rememberAnswers } from './answers.ts';
import { ensureAttempt, replaceEnded, trackAttempt, watchPod } from './watch.ts';
import type { Decision } from './watch.ts';
import { wayBackOf } from './way-back.ts';
import { isSuspended } from '../../pod/suspended.ts';

/**
 * The whole policy of a HostedContainer. Level-based: it may be called in any state, also one that a crash left behind, and
 * does at most one step of an upgrade or revert; the change that the step makes leads to the next call.
 */
export function planHostedContainer(seen: Observed): Plan {
  if (seen.container.metadata.deletionTimestamp !== undefined)
    return { actions: dataActions(seen), status: seen.container.status ?? {}, events: [] };
  const o = adopt(withChosenMounts(withoutEarlier(withoutStranger(seen))));
  const before = o.container.status ?? {};
  const target = chooseTarget(o);
  if (target.image && mustRevertSpec(o, target) && !isRevertTried(o)) return planRevert(o, imageName(target.image));
  const settled = rememberAnswers(o, target, settleRevert(o, target, assign(before, o, target)));
  const tracked = countDeletion(o, target, trackAttempt(o, target, settled));
  const decision = decide(o, target, tracked);
  if (decision.query) return { queries: [decision.query], actions: [], status: before, events: [] };
  const status = describe(o, afterDecision(o, target, decision), decision);
  const unassign: Action[] = mustUnassign(o) ? [{ type: 'Unassign' }] : [];
  return {
    actions: [...dataActions(o), ...decision.actions, ...unassign],
    status,
    events: eventsFor(o, status),
    ...(decision.requeueAfterSeconds !== undefined && { requeueAfterSeconds: decision.requeueAfterSeconds }),
  };
}

/**
 * The plan as if spec had been written back already, and then that: its status is settled in the run that writes it, and the Pod
 * is brought back whether it can be written or not.
 */
function planRevert(o: Observed, image: string): Plan {
  const { container } = o;
  const plan = planHostedContainer({ ...o, container: { ...container, spec: { ...container.spec, image } } });
  return plan.queries ? plan : { ...plan, actions: [...plan.actions, { type: 'RevertSpec', image }] };
}

const revertFailure = (o: Observed): Failure | undefined => o.failures?.find(({ action }) => action === 'RevertSpec');
const isRevertTried = (o: Observed): boolean => o.isSpecReverted === true || revertFailure(o) !== undefined;

/** An attempt that has succeeded is none any more: that is reported at once, not by a second write. */
function afterDecision(o: Observed, target: Target, { status }: Decision): Target {
  const { lastKnownGoodImage: image, lastKnownGoodDigest: digest } = o.container.status ?? {};
  if (status.lastKnownGoodImage === image && status.lastKnownGoodDigest === digest) return target;
  return chooseTarget({ ...o, container: { ...o.container, status } });
}

/** A failed attempt counts as reverted once nothing asks for it any more, or the operator may not, or must not again, change that. */
function settleRevert(o: Observed, target: Target, status: HostedContainerStatus): HostedContainerStatus {
  const last = newest(status);
  const leaves =
    target.image !== undefined && !target.isAttempt && last?.outcome === 'Failed' && !isOf(last, target.image);
  if (!leaves) return status;
  const failure = mustRevertSpec(o, target) ? revertFailure(o) : undefined;
  if (failure && !failure.isFinal) return status;
  const message = failure && truncate(`spec.image could not be written back: ${failure.message}`, 1000);
  return closeNewest(status, { outcome: 'Reverted', ...(message && { message }) });
}

function decide(o: Observed, target: Target, status: HostedContainerStatus): Decision {
  const { pod, container } = o;
  const still: Decision = { actions: [], status };
  const remove = (why: string): Decision => ({
    actions: pod?.metadata.uid ? [{ type: 'DeletePod', uid: pod.metadata.uid, why }] : [],
    status,
  });

  if (pod?.metadata.deletionTimestamp !== undefined) return still;
  if (o.stranger && isLeaving(o.stranger)) return { ...still, requeueAfterSeconds: 30 };
  if (o.stranger) {
    const message = whoseIsIt(o.stranger);
    return { ...still, blocker: { reason: 'PodConflict', message }, requeueAfterSeconds: 30 };
  }
  if (isSuspended(container)) return pod ? remove('The container is suspended') : still;
  if (!target.image) return still;
  if (pod && matchesTarget(pod, target)) return watchPod(o, target, pod, status);
  const end = pod && podEnd(pod);
  if (!end) return replacePod(o, target, status);
  const back = wayBackOf(o, target);
  if (!back || !matchesTarget(pod, back)) return remove(`The Pod ended: ${end.reason}`);
  return replaceEnded(o, back, status, { pod, ...end });
}

/** There is no Pod, or one of another shape or image: nothing is touched before everything says that the next one can run. */
function replacePod(o: Observed, target: Target, before: HostedContainerStatus): Decision {
  const { pod, now } = o;
  const image = target.image;
  if (!image) return { actions: [], status: before };
  const interruption = interruptionOf(before, target);
  const pause = pauseSeconds(interruption, now);
  if (interruption && pause > 0) {
    const blocker: Blocker = { reason: 'Interrupted', message: pauseText(interruption) };
    return waitFor(o, target, before, { blocker, seconds: pause });
  }
  const inPlace = upgradeInPlace(o, target);
  if (inPlace) return followInPlace(o, target, before, inPlace);
  const passed = preflight(o, image);
  if ('query' in passed) return { actions: [], status: before, query: passed.query };
  if ('blocker' in passed) return refused(o, target, before, passed.blocker);
  const status = target.isAttempt ? ensureAttempt(before, target, now) : before;
  if (!pod) return creation(passed, status);
  const from = pod.metadata.annotations?.[annotations.image] ?? 'another image';
  const why =
    from === imageName(image)
      ? `Restarting ${from} because its specification changed`
      : `Going from ${from} to ${imageName(image)}`;
  return { actions: [{ type: 'DeletePod', uid: pod.metadata.uid ?? '', why }], status };
}

function followInPlace(o: Observed, target: Target, status: HostedContainerStatus, it: InPlace): Decision {
  const { action, query, blocker } = it;
  if (query) return { actions: [], status, query };
  if (blocker) return waitFor(o, target, status, { blocker, seconds: requeueSeconds(blocker, o.now) });
  if (!action) return { actions: [], status };
  return { actions: [action], status: target.isAttempt ? ensureAttempt(status, target, o.now) : status };
}

const whatToDoAboutRefusal =
  'Change the quota, policy or object that is named, or the specification; the API server is asked again every 30 s';

/**
 * A blocker keeps the next Pod from being made. That the API server refuses the Pod is a failure of the attempt only if it would take one of the last known
 * good at this moment: a quota, a missing ServiceAccount or a namespace that goes say nothing about the image.
 */
function refused(o: Observed, target: Target, status: HostedContainerStatus, blocker: Blocker): Decision {
  const { reason, message } = blocker;
  const withText = (text: string) =>
    reason === 'PodForbidden' ? { ...blocker, message: `${text}. ${whatToDoAboutRefusal}` } : blocker;
  const waits = { blocker: withText(message), seconds: requeueSeconds(blocker, o.now) };
  const back = reason === 'PodForbidden' ? wayBackOf(o, target) : undefined;
  if (!back?.image || !target.image || target.failedWithoutWayBack) return waitFor(o, target, status, waits);
  const pod = buildPod(o.container, back.image, o.scaffolds);
  const dryRun = dryRunOf(o, pod);
  if (!dryRun) return { actions: [], status, query: { type: 'DryRun', pod } };
  if (isRefused(o, dryRun)) {
    const both = `${message}. A Pod of ${imageName(back.image)} would be refused too, so this says nothing about the image`;
    return waitFor(o, target, status, { ...waits, blocker: withText(both) });
  }
  // It has failed before it cost the running container anything.
  const begun = ensureAttempt(status, target, o.now);
  return { actions: [], status: recordFailure(begun, target.image, target.fingerprint, { reason, message }, o.now) };
}

/** The way forward is shut for now: whatever shuts it, the last known good runs if it can. */
function waitFor(
  o: Observed,
  target: Target,
  status: HostedContainerStatus,
  { blocker, seconds }: { blocker: Blocker; seconds: number },
): Decision {
  return { ...standIn(o, target, status, seconds), blocker };
}

function standIn(o: Observed, target: Target, status: HostedContainerStatus, seconds: number): Decision {
  const back = wayBackOf(o, target);
  const still: Decision = { actions: [], status, requeueAfterSeconds: seconds };
  if (o.pod || !back?.image) return still;
  const pause = pauseSeconds(interruptionOf(status, back), o.now);
  if (pause > 0) return { ...still, requeueAfterSeconds: Math.min(pause, seconds) };
  const passed = preflight(o, back.image);
  if ('query' in passed) return { actions: [], status, query: passed.query };
  return 'pod' in passed
    ? { ...creation(passed, status), requeueAfterSeconds: seconds }
    : { ...still, requeueAfterSeconds: Math.min(30, seconds) };
}

const creation = ({ pod, claim }: Extract<PreflightResult, { pod: Pod }>, status: HostedContainerStatus): Decision => ({
  actions: [...(claim ? [{ type: 'CreateClaim' as const, claim }] : []), { type: 'CreatePod', pod }],
  status,
});

/** The status that tells all this. */
function describe(o: Observed, target: Target, decision: Decision): HostedContainerStatus {
  const { pod, container, now } = o;
  const { generation } = container.metadata;
  const { targetImage: _target, firstStartDeadline: _deadline, ...rest } = decision.status;
  const isNews = target.image && !isLastKnownGood(rest, target.image) && !findFailure(rest, target.fingerprint);
  const status: HostedContainerStatus = {
    ...rest,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...runningImage(pod),
    ...keptDeadline(o, decision.blocker),
    ...(isNews && target.image && { targetImage: imageName(target.image) }),
    nodeName: nodeOf(o),
    lastKnownGoodNode: lastKnownGoodNode(o, rest),
    podIP: pod?.status?.podIP,
    restarts: o.isRestarting ? container.status?.restarts : mainStatus(pod)?.restartCount,
    // As the node: no write more for the moment between two Pods.
    replicas: nodeOf(o) === undefined ? 0 : 1,
    selector: `${labels.hostedContainer}=${container.metadata.name}`,
  };
  const stated = conditionsOf({ observed: o, target, blocker: decision.blocker, status });
  const before = container.status?.conditions;
  // It is no part of the life of a container: it goes when all is well.
  const earlier = stated.some(({ type }) => type === permittedType) ? before : removeConditions(before, permittedType);
  return { ...status, conditions: setConditions(earlier, stated, generation, now) };
}

/** What the Pod runs, once its container has a state. */
function runningImage(pod: Pod | undefined): Pick<HostedContainerStatus, 'image' | 'digest'> {
  if (!pod || pod.metadata.deletionTimestamp !== undefined || mainStatus(pod)?.state === undefined) return {};
  const { [annotations.image]: image, [annotations.digest]: digest } = pod.metadata.annotations ?? {};
  return { ...(image && { image }), ...(digest && { digest }) };
}

/** The node that ran the last known good last, while the container may need its way back. */
function lastKnownGoodNode({ pod, container }: Observed, status: HostedContainerStatus): string | undefined {
  if (isSuspended(container)) return undefined;
  const running = runningImage(pod);
  const good = lastKnownGood(status);
  const isIt = good !== undefined && running.image === good.image && running.digest === good.digest;
  return (isIt ? pod?.spec.nodeName : undefined) ?? container.status?.lastKnownGoodNode;
}

/** The node of the Pod; between two Pods still the last one, because the way back is pinned there. */
function nodeOf({ pod, container }: Observed): string | undefined {
  const last = isSuspended(container) ? undefined : container.status?.nodeName;
  return pod?.spec.nodeName ?? last;
}
