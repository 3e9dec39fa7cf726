import { howToStart, isSuspended, whySuspended } from '../../pod/suspended.ts';
import type { ConditionRule, Finding } from '../../runtime/condition-table.ts';
import { truncateStart } from '../../runtime/text.ts';
import { interruptionText } from '../interruption.ts';
import { interruptionOf } from './attempt.ts';
import type { Input } from './input.ts';
import { exits, hadNoMounts, isReady, launchFailure, mainStatus, notReadyBecause, startError } from './outcome.ts';
import { isReason } from './reasons.ts';
import type { Reason } from './reasons.ts';

/** The states of Ready: whether the container runs and serves. */

type Rule = ConditionRule<Input, Reason>;

/** True, as a Deployment of no replicas is Available: it is as a person wants it, and kstatus knows no other settled state. */
export const suspended: Rule = ({ observed: { container, pod } }) => {
  if (!isSuspended(container)) return undefined;
  const why = whySuspended(container);
  if (pod) return { status: 'False', reason: 'Starting', message: `${why}: the Pod is being stopped` };
  const message = `It has no Pod, because ${why}: set ${howToStart(container)} to start the container`;
  return { status: 'True', reason: 'Suspended', message };
};

export const podConflict: Rule = ({ blocker }) =>
  blocker?.reason === 'PodConflict' ? { ...blocker, status: 'False' } : undefined;

export const serving: Rule = ({ observed, status }) =>
  isReady(observed.pod)
    ? {
        status: 'True',
        reason: 'Running',
        message: `${status.image ?? 'The container'} is running on ${observed.pod?.spec.nodeName ?? 'its node'}`,
      }
    : undefined;

export const earlierPod: Rule = ({ observed: { stranger }, blocker }) =>
  stranger && !blocker
    ? { status: 'False', reason: 'Starting', message: 'A Pod of this name, of an earlier container, is being removed' }
    : undefined;

export const noPodYet: Rule = ({ observed, target, blocker }) => {
  if (observed.pod) return undefined;
  if (!target.image) return { status: 'False', reason: target.resolution.reason, message: target.resolution.message };
  const refused = observed.failures?.find(({ action }) => action === 'CreatePod');
  if (refused)
    return { status: 'False', reason: 'Starting', message: `The Pod could not be created: ${refused.message}` };
  if (!blocker) return { status: 'False', reason: 'Starting', message: 'The Pod is being created' };
  return {
    status: 'False',
    reason: blocker.reason === 'WaitingForNode' ? 'PodPending' : blocker.reason,
    message: blocker.message,
  };
};

/** Its node does not answer: nothing more is known of the Pod, and no other may run before it is known to be gone. */
export const nodeLost: Rule = ({ observed: { pod, nodes } }) => {
  const node = nodes.find(({ metadata }) => metadata.name === pod?.spec.nodeName);
  if (!node?.spec?.taints?.some(({ key }) => key === 'node.kubernetes.io/unreachable')) return undefined;
  const { name } = node.metadata;
  const isGivenUp = pod?.metadata.deletionTimestamp !== undefined;
  return isGivenUp
    ? {
        status: 'False',
        reason: 'NodeLost',
        message: `${name} does not answer, and only it can say that the Pod has ended. When the machine is off for good, delete the Node or taint it node.kubernetes.io/out-of-service: then the container starts elsewhere`,
      }
    : {
        status: 'False',
        reason: 'NodeUnreachable',
        message: `${name} does not answer. The container goes on when the node returns; Kubernetes deletes the Pod when that takes too long`,
      };
};

export const stopping: Rule = ({ observed }) =>
  observed.pod?.metadata.deletionTimestamp === undefined
    ? undefined
    : { status: 'False', reason: 'Starting', message: 'The earlier Pod is stopping' };

export const launchGaveUp: Rule = ({ observed }) => {
  const failure = launchFailure(observed.pod);
  return failure && named(failure, 'LaunchFailed');
};

/** With the reason that is reported, if that is one of ours; else with another, and what is reported in the message. */
function named({ reason, message }: { reason: string; message: string }, other: Reason): Finding<Reason> {
  return isReason(reason)
    ? { status: 'False', reason, message }
    : { status: 'False', reason: other, message: `${reason}: ${message}` };
}

/** So long that the kubelet forgets the crashes before: both times are of its clock. */
const ranLong = ({ startedAt, finishedAt }: { startedAt?: string; finishedAt?: string }): boolean =>
  Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '') >= 600_000;

export const crashing: Rule = ({ observed: { pod, container } }) => {
  const main = mainStatus(pod);
  const ended = main?.state?.terminated ?? main?.lastState?.terminated;
  if (exits(pod) === 0 || !ended || hadNoMounts(pod)) return undefined;
  const tail = truncateStart(ended.message?.trim() ?? '', 300);
  return {
    status: 'False',
    reason: exits(pod) < container.spec.upgrade.maxRestarts || ranLong(ended) ? 'Restarting' : 'CrashLooping',
    message: `The command exited ${exits(pod)} times, last with code ${ended.exitCode}${tail ? `: ${tail}` : ''}`,
  };
};

export const pending: Rule = ({ observed: { pod } }) => {
  if (pod?.status?.conditions?.some((c) => c.type === 'PodScheduled' && c.status === 'False'))
    return { status: 'False', reason: 'PodPending', message: notReadyBecause(pod) };
  const error = startError(pod);
  return error && named(error, 'Starting');
};

export const starting: Rule = ({ observed, status, target }) => {
  const interruption = interruptionOf(status, target);
  const before = interruption ? `. ${interruptionText(interruption)}` : '';
  return { status: 'False', reason: 'Starting', message: `${notReadyBecause(observed.pod)}${before}` };
};
