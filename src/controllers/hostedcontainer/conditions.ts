import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import { interruptionText } from '../interruption.ts';
import { interruptionOf } from './attempt.ts';
import { isFollower, matchesTarget } from './target.ts';
import type { Target } from './target.ts';
import { lastKnownGood } from './last-known-good.ts';
import { progressConditions } from './progress.ts';
import { isReason } from './reasons.ts';
import type { Reason } from './reasons.ts';
import { findFailed, newest } from './history.ts';
import { exits, isReady, launchFailure, mainStatus, notReadyBecause, startError } from './outcome.ts';
import { truncateStart } from '../../runtime/text.ts';
import { howToStart, isSuspended, whySuspended } from '../../pod/suspended.ts';
import type { Input, Stated } from './input.ts';
import { firstHit } from '../../runtime/rules.ts';

/** All conditions; Ready is computed last. */
export function conditionsOf(input: Input): Stated[] {
  const upgraded = upgradedCondition(input);
  const ready = readyCondition(input);
  return [imageResolvedCondition(input), upgraded, ...progressConditions(input, upgraded, ready), ready];
}

function imageResolvedCondition({ target }: Input): Stated {
  const { status, reason, message } = target.resolution;
  return { type: 'ImageResolved', status, reason, message };
}

function upgradedCondition(input: Input): Stated {
  const { target, blocker, observed } = input;
  const state = (status: 'True' | 'False' | 'Unknown', reason: Reason, message: string): Stated => ({
    type: 'Upgraded',
    status,
    reason,
    message,
  });
  const { image, blockedBy, failedWithoutWayBack, resolution } = target;

  if (isSuspended(observed.container)) return state('Unknown', 'Suspended', whySuspended(observed.container));
  if (!image || resolution.status === 'False') return state('Unknown', 'ImageNotResolved', resolution.message);
  const name = imageName(image);
  if (blockedBy) return { type: 'Upgraded', status: 'False', ...blockedReason(input, blockedBy, name) };
  if (failedWithoutWayBack) {
    const { image: failed, attempts, reason, message } = failedWithoutWayBack;
    const text = `${failed} failed (${tries(attempts)}): ${reason}: ${message}. ${noWayBack(input)}. Change spec.image, or upgrade.retryToken to try again`;
    return state('False', 'Failed', text);
  }
  const failure = revertedFrom(input);
  if (failure) {
    const message = `Went back from ${failure.image} to ${name}. ${failure.reason}: ${failure.message}`;
    return state('False', 'Reverted', message);
  }
  if (isThere(input)) return state('True', 'UpToDate', `${name} is what is asked for`);
  if (blocker) return state('Unknown', blocker.reason, blocker.message);
  if (!target.isAttempt) return state('Unknown', 'InProgress', `Restarting ${name} because its specification changed`);
  const interruption = interruptionOf(input.status, target);
  const before = interruption ? `. ${interruptionText(interruption)}` : '';
  return state('Unknown', 'InProgress', `Going to ${name}${before}`);
}

/** Why there is nothing to go back to. */
function noWayBack({ status }: Input): string {
  const good = lastKnownGood(status);
  if (!good) return 'It has no last known good version to go back to';
  const bytes = good.digest === undefined ? '' : ` (${good.digest.slice(0, 19)}…)`;
  return `${good.image}${bytes} ran well, but no OSImage has these bytes any more: publish them again to go back`;
}

/** The failure that the last attempt was reverted for, until somebody has answered it. */
function revertedFrom({ target, status }: Input) {
  const last = newest(status);
  if (target.isAttempt || last?.outcome !== 'Reverted' || last.held === true) return undefined;
  // Its name means the bytes that ran well again: somebody has seen to it.
  if (target.image && last.image === imageName(target.image)) return undefined;
  return findFailed(status, last);
}

/** The good image is asked for, and no Pod of another shape is left: whoever waits for a change must not learn of it too early. */
const isThere = ({ target, observed: { pod } }: Input): boolean =>
  !target.isAttempt && (pod === undefined || matchesTarget(pod, target));

function blockedReason(
  { observed, status }: Input,
  failure: NonNullable<Target['blockedBy']>,
  good: string,
): Pick<Stated, 'reason' | 'message'> {
  const { onFailure } = observed.container.spec.upgrade;
  const how = `${failure.image} failed (${tries(failure.attempts)}). ${failure.reason}: ${failure.message}`;
  if (onFailure === 'Hold' && !isFollower(observed)) {
    return {
      reason: 'Held',
      message: `${good} is held, because ${how}. Change spec.image, or upgrade.retryToken to try again`,
    };
  }
  if (newest(status)?.outcome === 'Reverted' && !isFollower(observed)) {
    return {
      reason: 'FailedBefore',
      message: `${good} keeps running, because ${how}${notWritten(status)}. Change spec.image, or upgrade.retryToken to try again`,
    };
  }
  return { reason: 'Reverted', message: `Going back to ${good}, because ${how}` };
}

/** That spec could not be written back, if that is so. */
function notWritten(status: HostedContainerStatus): string {
  const message = newest(status)?.message;
  return message === undefined ? '' : `. ${message}`;
}

const tries = (attempts: number): string => (attempts === 1 ? 'tried once' : `tried ${attempts} times`);

type ReadyRule = (input: Input) => { status?: 'True'; reason: Reason; message: string } | undefined;

/** True, as a Deployment of no replicas is Available: it is as a person wants it, and kstatus knows no other settled state. */
const suspended: ReadyRule = ({ observed: { container, pod } }) => {
  if (!isSuspended(container)) return undefined;
  const why = whySuspended(container);
  if (pod) return { reason: 'Starting', message: `${why}: the Pod is being stopped` };
  const message = `It has no Pod, because ${why}: set ${howToStart(container)} to start the container`;
  return { status: 'True', reason: 'Suspended', message };
};

const podConflict: ReadyRule = ({ blocker }) => (blocker?.reason === 'PodConflict' ? blocker : undefined);

const serving: ReadyRule = ({ observed, status }) =>
  isReady(observed.pod)
    ? {
        status: 'True',
        reason: 'Running',
        message: `${status.image ?? 'The container'} is running on ${observed.pod?.spec.nodeName ?? 'its node'}`,
      }
    : undefined;

const earlierPod: ReadyRule = ({ observed: { stranger }, blocker }) =>
  stranger && !blocker
    ? { reason: 'Starting', message: 'A Pod of this name, of an earlier container, is being removed' }
    : undefined;

const noPodYet: ReadyRule = ({ observed, target, blocker }) => {
  if (observed.pod) return undefined;
  if (!target.image) return { reason: target.resolution.reason, message: target.resolution.message };
  const refused = observed.failures?.find(({ action }) => action === 'CreatePod');
  if (refused) return { reason: 'Starting', message: `The Pod could not be created: ${refused.message}` };
  if (!blocker) return { reason: 'Starting', message: 'The Pod is being created' };
  return {
    reason: blocker.reason === 'WaitingForNode' ? 'PodPending' : blocker.reason,
    message: blocker.message,
  };
};

/** Its node does not answer: nothing more is known of the Pod, and no other may run before it is known to be gone. */
const nodeLost: ReadyRule = ({ observed: { pod, nodes } }) => {
  const node = nodes.find(({ metadata }) => metadata.name === pod?.spec.nodeName);
  if (!node?.spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/unreachable')) return undefined;
  const { name } = node.metadata;
  const isGivenUp = pod?.metadata.deletionTimestamp !== undefined;
  return isGivenUp
    ? {
        reason: 'NodeLost',
        message: `${name} does not answer, and only it can say that the Pod has ended. When the machine is off for good, delete the Node or taint it node.kubernetes.io/out-of-service: then the container starts elsewhere`,
      }
    : {
        reason: 'NodeUnreachable',
        message: `${name} does not answer. The container goes on when the node returns; Kubernetes deletes the Pod when that takes too long`,
      };
};

const stopping: ReadyRule = ({ observed }) =>
  observed.pod?.metadata.deletionTimestamp === undefined
    ? undefined
    : { reason: 'Starting', message: 'The earlier Pod is stopping' };

const launchGaveUp: ReadyRule = ({ observed }) => {
  const failure = launchFailure(observed.pod);
  return failure && named(failure, 'LaunchFailed');
};

/** With the reason that is reported, if that is one of ours; else with another, and what is reported in the message. */
function named({ reason, message }: { reason: string; message: string }, other: Reason) {
  return isReason(reason) ? { reason, message } : { reason: other, message: `${reason}: ${message}` };
}

/** So long that the kubelet forgets the crashes before: both times are of its clock. */
const ranLong = ({ startedAt, finishedAt }: { startedAt?: string; finishedAt?: string }): boolean =>
  Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '') >= 600_000;

const crashing: ReadyRule = ({ observed: { pod, container } }) => {
  const main = mainStatus(pod);
  const ended = main?.state?.terminated ?? main?.lastState?.terminated;
  if (exits(pod) === 0 || !ended) return undefined;
  const tail = truncateStart(ended.message?.trim() ?? '', 300);
  return {
    reason: exits(pod) < container.spec.upgrade.maxRestarts || ranLong(ended) ? 'Restarting' : 'CrashLooping',
    message: `The command exited ${exits(pod)} times, last with code ${ended.exitCode}${tail ? `: ${tail}` : ''}`,
  };
};

const pending: ReadyRule = ({ observed: { pod } }) => {
  if (pod?.status?.conditions?.some((c) => c.type === 'PodScheduled' && c.status === 'False'))
    return { reason: 'PodPending', message: notReadyBecause(pod) };
  const error = startError(pod);
  return error && named(error, 'Starting');
};

/** First hit wins. */
const readyRules: readonly ReadyRule[] = [
  podConflict,
  suspended,
  serving,
  earlierPod,
  noPodYet,
  nodeLost,
  stopping,
  launchGaveUp,
  crashing,
  pending,
];

function readyCondition(input: Input): Stated {
  const hit = firstHit(readyRules, input);
  if (hit) return { type: 'Ready', status: hit.status ?? 'False', reason: hit.reason, message: hit.message };
  const interruption = interruptionOf(input.status, input.target);
  const before = interruption ? `. ${interruptionText(interruption)}` : '';
  const message = `${notReadyBecause(input.observed.pod)}${before}`;
  return { type: 'Ready', status: 'False', reason: 'Starting', message };
}
