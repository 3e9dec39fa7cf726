import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { containerName } from '../../pod/pod.ts';
import type { ContainerStatus, Pod } from '../../pod/types.ts';

/** How an attempt to run an image stands. */
export type Verdict =
  | { outcome: 'InProgress'; recheckAfterSeconds: number }
  | { outcome: 'Succeeded'; readyTime: string }
  | { outcome: 'Failed'; reason: string; message: string; previousLog: boolean };

export const mainStatus = (pod: Pod | undefined): ContainerStatus | undefined =>
  pod?.status?.containerStatuses?.find((c) => c.name === containerName);

/** When the Pod became Ready, if it is. */
export function readySince(pod: Pod | undefined): string | undefined {
  if (pod?.metadata.deletionTimestamp !== undefined) return undefined;
  const ready = pod?.status?.conditions?.find((c) => c.type === 'Ready');
  return ready?.status === 'True' ? ready.lastTransitionTime : undefined;
}

/** Why `launch` gave up, from the message that it leaves: `monoroot: <Reason>: <message>`. */
export function launchFailure(pod: Pod | undefined): { reason: string; message: string } | undefined {
  const status = mainStatus(pod);
  const ended = status?.state?.terminated ?? (status?.state?.running ? undefined : status?.lastState?.terminated);
  const match = /^monoroot: ([A-Z][A-Za-z]+): (.*)$/s.exec(ended?.message ?? '');
  return match?.[1] === undefined ? undefined : { reason: match[1], message: (match[2] ?? '').trim() };
}

/** Exits so far: restarts, and the exit that no restart has followed yet. */
export function exits(pod: Pod | undefined): number {
  const status = mainStatus(pod);
  return (status?.restartCount ?? 0) + (status?.state?.terminated ? 1 : 0);
}

/** What keeps the Pod from starting that no waiting mends by itself. */
const startErrors = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'InvalidImageName',
]);

export const startError = (pod: Pod | undefined): { reason: string; message: string } | undefined => {
  const waiting = mainStatus(pod)?.state?.waiting;
  return waiting?.reason !== undefined && startErrors.has(waiting.reason)
    ? { reason: waiting.reason, message: waiting.message ?? waiting.reason }
    : undefined;
};

interface Attempt {
  container: HostedContainer;
  pod: Pod;
  now: Date;
}
type FailureRule = (attempt: Attempt) => { reason: string; message: string } | undefined;

const launchGaveUp: FailureRule = ({ pod }) => launchFailure(pod);

const tooManyExits: FailureRule = ({ container, pod }) => {
  const count = exits(pod);
  const last = mainStatus(pod)?.lastState?.terminated ?? mainStatus(pod)?.state?.terminated;
  return count < container.spec.upgrade.maxRestarts
    ? undefined
    : {
        reason: 'CrashLooping',
        message: `The command exited ${count} times, last with code ${last?.exitCode ?? 'unknown'}`,
      };
};

const deadlinePassed: FailureRule = ({ container, pod, now }) => {
  if (secondsSince(pod.metadata.creationTimestamp, now) < container.spec.upgrade.progressDeadlineSeconds)
    return undefined;
  const stuck = startError(pod);
  const why = stuck ? `${stuck.reason}: ${stuck.message}` : notReadyBecause(pod);
  return {
    reason: 'ProgressDeadlineExceeded',
    message: `It was not Ready for ${container.spec.upgrade.minReadySeconds} s within ${container.spec.upgrade.progressDeadlineSeconds} s. ${why}`,
  };
};

/** First hit wins: the most telling reason comes first. */
const failureRules: readonly FailureRule[] = [launchGaveUp, tooManyExits, deadlinePassed];

/** Judges the Pod of an attempt by the rules of `spec.upgrade`. */
export function judge(attempt: Attempt): Verdict {
  const { container, pod, now } = attempt;
  const { minReadySeconds, progressDeadlineSeconds } = container.spec.upgrade;
  const ready = readySince(pod);
  const readyFor = ready === undefined ? -1 : secondsSince(ready, now);
  if (ready !== undefined && readyFor >= minReadySeconds) return { outcome: 'Succeeded', readyTime: ready };
  for (const rule of failureRules) {
    const failure = rule(attempt);
    if (failure) return { outcome: 'Failed', ...failure, previousLog: mainStatus(pod)?.state?.running === undefined };
  }
  const untilDeadline = progressDeadlineSeconds - secondsSince(pod.metadata.creationTimestamp, now);
  const untilGood = ready === undefined ? untilDeadline : minReadySeconds - readyFor;
  return { outcome: 'InProgress', recheckAfterSeconds: Math.max(0.05, Math.min(untilDeadline, untilGood)) };
}

/** Why a Pod is not Ready, in the words of the kubelet or the scheduler. */
export function notReadyBecause(pod: Pod | undefined): string {
  const conditions = pod?.status?.conditions ?? [];
  const unscheduled = conditions.find((c) => c.type === 'PodScheduled' && c.status === 'False');
  if (unscheduled) return unscheduled.message ?? 'No node is chosen yet';
  const waiting = mainStatus(pod)?.state?.waiting;
  if (waiting?.reason) return waiting.message ? `${waiting.reason}: ${waiting.message}` : waiting.reason;
  if (mainStatus(pod)?.state?.running) return 'The container runs, but its probes do not say that it is ready';
  return 'The container is being started';
}

const secondsSince = (time: string | undefined, now: Date): number =>
  time === undefined ? 0 : (now.getTime() - Date.parse(time)) / 1000;
