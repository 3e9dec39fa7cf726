import type { Attempt, HostedContainer } from '../../api/hostedcontainer.ts';
import { labels } from '../../api/names.ts';
import type { ContainerState, Node, Pod } from '../../api/kubernetes/objects.ts';
import { nodeAnswers, podEnd, silenceSeconds } from '../pod-end.ts';
import { hadNoMounts, lastExit, launchExitCode, mainStatus } from '../no-mounts.ts';
import { elapsedSeconds, ranBefore, secondsSince } from './clock.ts';
import type { LogTail } from './observed.ts';
import { firstHit } from '../../runtime/rules.ts';

export { hadNoMounts, lastExit, mainStatus };

/**
 * How an attempt to run an image stands. Only what its container did makes it `Failed`. `Inconclusive`: its Pod has ended, or
 * could not start its container, for another reason; that says nothing about the image.
 */
export type Outcome =
  | { type: 'InProgress'; requeueAfterSeconds?: number }
  | { type: 'Succeeded'; readyTime: string }
  | { type: 'Failed'; reason: string; message: string; previousLog: boolean }
  | { type: 'Inconclusive'; reason: string; message: string; ended: boolean };

/** The number of evictions of an attempt, each because the container used more disk or memory than it may, that is a failure. */
export const ownEvictionLimit = 3;

/** Is the Pod Ready, and not being deleted? Then the time that the kubelet gives, by its own clock: compare it with nothing but itself. */
export function readyTransition(pod: Pod | undefined): string | undefined {
  if (pod?.metadata.deletionTimestamp !== undefined) return undefined;
  const ready = pod?.status?.conditions?.find((c) => c.type === 'Ready');
  return ready?.status === 'True' ? (ready.lastTransitionTime ?? '') : undefined;
}

export const isReady = (pod: Pod | undefined): boolean => readyTransition(pod) !== undefined;

/** What `launch` says when it gives up: scaffold/launch has the list, and a test holds the two against each other. */
export const launchReasons: ReadonlySet<string> = new Set([
  'CommandNotFound',
  'DefaultsFailed',
  'DefaultsTooLarge',
  'InvalidTimeZone',
  'MountScriptFailed',
  'NoMounts',
  'NoServiceDirectory',
  'NoSupervisor',
  'UnknownUser',
]);

/**
 * Why `launch` gave up, from the message that it leaves: `monoroot: <Reason>: <message>`. The command can leave such a message
 * too, whatever it likes: then it has exited, and nothing else is said by it.
 */
export function launchFailure(pod: Pod | undefined): { reason: string; message: string } | undefined {
  const { exitCode, message: text = '' } = endUnlessRunning(pod) ?? {};
  if (exitCode !== launchExitCode) return undefined;
  const [, reason = '', message = ''] = /^monoroot: ([A-Z][A-Za-z]+): (.*)$/s.exec(text) ?? [];
  return launchReasons.has(reason) ? { reason, message: message.trim() } : undefined;
}

function endUnlessRunning(pod: Pod | undefined): ContainerState['terminated'] {
  const status = mainStatus(pod);
  return status?.state?.terminated ?? (status?.state?.running ? undefined : status?.lastState?.terminated);
}

/**
 * It was made without its mounts since the node plugin is said to answer: the plugin is away, and so is the agent that would report it.
 * Both times are by the clock of the node. That of a Pod has no fraction of a second: in doubt the container was made before.
 */
export const contradictsPlugin = (pod: Pod, since: string | undefined): boolean =>
  since !== undefined && hadNoMounts(pod) && Date.parse(lastExit(pod)?.finishedAt ?? '') > Date.parse(since);

/** From this restart on the kubelet waits for longer than a container should wait for a plugin that answers. */
const longBackOff = 2;

/**
 * The container waits for the node plugin. `Replace`: the plugin is there again, and the kubelet would wait longer and longer
 * until it tries again; its first tries come soon enough. It remembers restarts beyond a patch in place, so `stored` is the Pod with all of them.
 */
export function withoutMounts(
  pod: Pod,
  nodes: readonly Node[],
  since?: string,
  stored = pod,
): 'Wait' | 'Replace' | undefined {
  const status = mainStatus(pod);
  if (podEnd(pod) || status?.state?.running !== undefined || !hadNoMounts(pod)) return undefined;
  const node = nodes.find(({ metadata }) => metadata.name === pod.spec.nodeName);
  const isSaid = node?.metadata.labels?.[labels.directMounts] === 'true' && nodeAnswers(pod, nodes);
  // The label goes only after the container has shown it.
  const isThere = isSaid && !contradictsPlugin(pod, since);
  return isThere && (mainStatus(stored)?.restartCount ?? 0) >= longBackOff ? 'Replace' : 'Wait';
}

/** Exits so far: restarts, and the exit that no restart has followed yet, unless it is the end of the whole Pod for another reason. */
export function exits(pod: Pod | undefined): number {
  const status = mainStatus(pod);
  const end = pod && podEnd(pod);
  const last = status?.state?.terminated && (end === undefined || end.cause === 'Container') ? 1 : 0;
  return (status?.restartCount ?? 0) + last;
}

/** What keeps the Pod from starting, and is not for the image to answer for: a missing Secret, a mount, the runtime. */
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

interface Input {
  container: HostedContainer;
  pod: Pod;
  attempt: Attempt;
  /** There is something to go back to while the attempt waits. */
  hasWayBack: boolean;
  logTail?: LogTail | undefined;
  leadingSince?: Date | undefined;
  now: Date;
}
type Rule = (input: Input) => Outcome | undefined;

const previousLog = (pod: Pod): boolean => mainStatus(pod)?.state?.running === undefined;

const ready: Rule = ({ container, attempt: { readySince }, now }) =>
  readySince !== undefined && secondsSince(readySince, now) >= container.spec.upgrade.minReadySeconds
    ? { type: 'Succeeded', readyTime: readySince }
    : undefined;

const launchGaveUp: Rule = ({ pod }) => {
  const failure = launchFailure(pod);
  return failure && { type: 'Failed', ...failure, previousLog: previousLog(pod) };
};

const tooManyExits: Rule = ({ container, attempt: { exits: count = 0 }, pod }) => {
  if (count < container.spec.upgrade.maxRestarts) return undefined;
  const message = `The command exited ${count} times, last with code ${lastExit(pod)?.exitCode ?? 'unknown'}`;
  return { type: 'Failed', reason: 'CrashLooping', message, previousLog: previousLog(pod) };
};

const tooManyEvictions: Rule = ({ attempt: { evictions = 0 }, pod }) => {
  if (evictions < ownEvictionLimit) return undefined;
  const message = `It was evicted ${evictions} times because it used more than it may, last: ${podEnd(pod)?.message ?? ''}`;
  return { type: 'Failed', reason: 'Evicted', message: message.trim(), previousLog: false };
};

const podEnded: Rule = ({ pod }) => {
  const end = podEnd(pod);
  return end && { type: 'Inconclusive', reason: end.reason, message: end.message, ended: true };
};

/** How often a node that did not answer is asked again. */
const requeueAfterSeconds = 5;

/** What ran before this operator led may have changed in the meantime: kubelets have a while to report it. */
function secondsToDeadline({ container, attempt, leadingSince, now }: Input): number {
  const left = container.spec.upgrade.progressDeadlineSeconds - elapsedSeconds(attempt, now);
  if (!ranBefore(attempt, leadingSince)) return left;
  return Math.max(left, silenceSeconds - secondsSince(leadingSince.toISOString(), now));
}

/** It ran for so long, and is not Ready. One that is Ready at that moment is given its `minReadySeconds`. */
const deadlinePassed: Rule = (input) => {
  const { container, pod, attempt, logTail } = input;
  const { progressDeadlineSeconds, minReadySeconds } = container.spec.upgrade;
  if (attempt.readySince !== undefined || secondsToDeadline(input) > 0) return undefined;
  // Its node may be dead: then its taint comes within that time, and stops the clock.
  if (logTail?.nodeAnswers === false && secondsToDeadline(input) > -silenceSeconds)
    return { type: 'InProgress', requeueAfterSeconds };
  return {
    type: 'Failed',
    reason: 'ProgressDeadlineExceeded',
    message: `It ran for ${progressDeadlineSeconds} s and was not Ready for ${minReadySeconds} s. ${notReadyBecause(pod)}`,
    previousLog: previousLog(pod),
  };
};

/** Its container could not run for as long as it may take to be Ready: what ran before serves meanwhile. */
const notStarted: Rule = ({ container, pod, attempt: { waitingSince }, hasWayBack, now }) => {
  if (!hasWayBack || waitingSince === undefined) return undefined;
  if (secondsSince(waitingSince, now) < container.spec.upgrade.progressDeadlineSeconds) return undefined;
  const stuck = startError(pod);
  const reason = stuck?.reason ?? (mainStatus(pod)?.state === undefined ? 'PodPending' : 'Starting');
  return { type: 'Inconclusive', reason, message: stuck?.message ?? notReadyBecause(pod), ended: false };
};

/** First hit wins: the most telling reason comes first. */
const rules: readonly Rule[] = [
  ready,
  launchGaveUp,
  tooManyExits,
  tooManyEvictions,
  podEnded,
  deadlinePassed,
  notStarted,
];

/** Judges an attempt by the rules of `spec.upgrade`, from what its Pod tells now and what its Pods told before. */
export function outcomeOf(input: Input): Outcome {
  const outcome = firstHit(rules, input);
  if (outcome) return outcome;
  const { container, attempt, hasWayBack, now } = input;
  const { minReadySeconds, progressDeadlineSeconds } = container.spec.upgrade;
  const due = [
    ...(attempt.readySince === undefined ? [] : [minReadySeconds - secondsSince(attempt.readySince, now)]),
    ...(attempt.runningSince === undefined || attempt.readySince !== undefined ? [] : [secondsToDeadline(input)]),
    ...(attempt.waitingSince === undefined || !hasWayBack
      ? []
      : [progressDeadlineSeconds - secondsSince(attempt.waitingSince, now)]),
  ];
  return { type: 'InProgress', ...(due.length > 0 && { requeueAfterSeconds: Math.max(0.05, Math.min(...due)) }) };
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
