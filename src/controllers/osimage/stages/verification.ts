import type { StoredImage } from '../../../api/nodestore.ts';
import type { Interruption } from '../../../api/interruption.ts';
import type { OSImage, OSImageStatus } from '../../../api/osimage.ts';
import { labels } from '../../../api/names.ts';
import type { MountMode } from '../../../pod/mode.ts';
import { hadNoMounts, noMountsReason } from '../../no-mounts.ts';
import { stageObjectName } from './build-job.ts';
import type { Pod } from '../../../api/kubernetes/objects.ts';
import { verificationPod } from './verification-pod.ts';
import type { VerificationPod } from './verification-pod.ts';
import type { KubeObject } from '../../../runtime/object.ts';
import { formatTime } from '../../../runtime/time.ts';
import { interrupt, interruptByDeletion, pauseSeconds, pauseText, pauses } from '../../interruption.ts';
import { isDisrupted, isOwnExit, podEnd } from '../../pod-end.ts';
import { storedImage } from '../../node-images.ts';
import { factsOf } from '../facts.ts';
import { lastLines, podProblem, terminated } from './job-outcome.ts';
import { shorten, tryAgain } from '../observed.ts';
import type { Action, Observed, StageResult, Stated } from '../observed.ts';
import { chooseNode } from './verification-node.ts';
import { firstHit } from '../../../runtime/rules.ts';

type VerificationStatus = NonNullable<OSImageStatus['verification']>;
type TestedImage = VerificationPod['image'];
type Result = StageResult<VerificationStatus>;

const type = 'Verified';
/** That an agent falls silent makes no event. */
const requeueAfterSeconds = 60;

export const isTested = (image: OSImage): image is TestedImage => image.spec.verification !== undefined;

export const waitingForBuild: Stated = {
  type,
  status: 'Unknown',
  reason: 'WaitingForBuild',
  message: 'It is tested when it is built',
};

/** The test on one node. First hit wins. `before` is unset for a new try. */
export function planVerification(
  o: Observed,
  image: TestedImage,
  before: VerificationStatus | undefined,
  token: string,
): Result {
  if (before?.outcome) return settled(image, before);
  const node = chooseNode(o, image, before && { node: before.node, started: testNamed(o, before.pod) !== undefined });
  if (node === undefined) return waitingForNode(image);
  const kept = node === before?.node ? before : undefined;
  const name = kept?.pod ?? stageObjectName('verify', image.spec, `${node} ${token}`);
  const pod = testNamed(o, name);
  if (pod) return podOutcome({ o, image, status: { node, ...kept, pod: name }, pod });
  const gone = o.deletedByOthers?.find(({ metadata }) => metadata.name === name);
  const interruption = gone ? countDeletion(o, kept?.interruption, gone) : kept?.interruption;
  return planPod(o, image, { node, ...(interruption && { interruption }) }, name);
}

/** It did not get to answer; the next one has its name. One that somebody else deletes counts as one that was ended. */
const countDeletion = (o: Observed, before: Interruption | undefined, pod: KubeObject): Interruption =>
  interruptByDeletion(before, { pod, message: 'Somebody deleted the Pod before it could answer', now: o.now });

/** The Pod is made when the node has the image, and when the pause after those before it is over. */
function planPod(o: Observed, image: TestedImage, status: VerificationStatus, name: string): Result {
  const { node, interruption } = status;
  const pause = pauseSeconds(interruption, o.now);
  if (interruption && pause > 0)
    return { ...running({ ...status, pod: name }, pauseText(interruption)), requeueAfterSeconds: pause };
  const stored = storedImage(o.stores.find(({ metadata }) => metadata.name === node), image); // prettier-ignore
  if (stored?.state !== 'Ready') return fetching(status, stored);
  const { verificationNamespace: namespace, scaffolds } = o.settings;
  // Once they are frozen, containers will have these, whatever a node says.
  const facts = image.status?.factsFrom?.digest === stored.digest ? factsOf(o, image) : undefined;
  const mounts = mountsOn(o, node);
  const pod = verificationPod({ image, stored: { ...stored, ...facts }, node, name, namespace, scaffolds, mounts });
  if (!pod) return fetching(status, undefined);
  if (o.refusal !== undefined) return stage('Failed', status, 'False', 'PodRefused', o.refusal);
  return { ...running({ ...status, pod: name }, undefined), actions: [{ type: 'CreatePod', pod }] };
}

/** What most containers there will have: the default of the cluster, where the node can. */
function mountsOn({ nodes, settings }: Observed, name: string): MountMode {
  const node = nodes.find(({ metadata }) => metadata.name === name);
  const can = node?.metadata.labels?.[labels.directMounts] === 'true';
  return can ? (settings.defaultMounts ?? 'HostPath') : 'HostPath';
}

/** The Pod of a test by its name; never one in another namespace, where Secrets may be. */
export const testNamed = (o: Observed, name: string | undefined): Pod | undefined =>
  o.pods.find(({ metadata }) => metadata.name === name && metadata.namespace === o.settings.verificationNamespace);

export const podDeletion = ({ metadata: { name, namespace = '', uid = '' } }: Pod): Action => ({
  type: 'DeletePod',
  namespace,
  name,
  uid,
});

interface Test {
  o: Observed;
  image: TestedImage;
  status: VerificationStatus;
  pod: Pod;
}
type Rule = (test: Test) => Result | undefined;

const podDeleting: Rule = ({ o, status, pod }) => {
  if (pod.metadata.deletionTimestamp === undefined) return undefined;
  return running({ ...status, interruption: countDeletion(o, status.interruption, pod) }, 'the Pod is being replaced');
};

/** Time in which the container could not start, as its scaffold could not be pulled, says nothing about the image. */
const timedOut: Rule = (test) => {
  const { image, pod } = test;
  if (pod.status?.reason !== 'DeadlineExceeded' || !hasRun(pod)) return undefined;
  // The kubelet says so first, and then ends it: its last lines are still to come.
  if (pod.status.phase !== 'Failed' && !terminated(pod)) return undefined;
  const { timeoutSeconds } = image.spec.verification;
  const message = `It did not end within ${timeoutSeconds} s${because(podProblem(pod))}${lastLines(terminated(pod)?.message)}`;
  return failed(test, 'TimedOut', message);
};

const commandPassed: Rule = (test) =>
  terminated(test.pod)?.exitCode === 0
    ? settled(test.image, { ...test.status, ...times(test), outcome: 'Passed' })
    : undefined;

function hasRun(pod: Pod): boolean {
  const { running: runs, terminated: ended } = pod.status?.containerStatuses?.[0]?.state ?? {};
  return runs !== undefined || (ended !== undefined && isOwnExit(ended));
}

/** The node plugin was not there, which says nothing about the image. */
const madeWithoutMounts: Rule = (test) =>
  hadNoMounts(test.pod)
    ? replacePod(test, {
        reason: noMountsReason,
        message: 'The container was made without its mounts: see that monoroot-mounts runs on its node',
      })
    : undefined;

/** It was ended for the sake of its node, or never taken by it, which says nothing about the image. */
const evictedByNode: Rule = (test) =>
  isDisrupted(test.pod) || podEnd(test.pod)?.cause === 'Cluster' ? replacePod(test) : undefined;

const commandFailed: Rule = (test) => {
  const { status, pod } = test;
  const ended = terminated(pod);
  if (!ended) return undefined;
  const exit = `exit code ${ended.exitCode} on ${status.node}${because(pod.status?.message)}`;
  return failed(test, 'Failed', `The command ended with ${exit}${lastLines(ended.message)}`);
};

const endedOtherwise: Rule = (test) => (podEnd(test.pod) ? replacePod(test) : undefined);

/** First hit wins. */
const outcomes = [
  podDeleting,
  timedOut,
  commandPassed,
  madeWithoutMounts,
  evictedByNode,
  commandFailed,
  endedOtherwise,
];

function podOutcome(test: Test): Result {
  const result = firstHit(outcomes, test);
  if (result) return result;
  const { status, pod } = test;
  const startTime = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt;
  return running({ ...status, ...(startTime !== undefined && { startTime }) }, podProblem(pod));
}

function times({ o, pod }: Test): Pick<VerificationStatus, 'startTime' | 'completionTime'> {
  const ended = terminated(pod);
  const completionTime = ended?.finishedAt ?? formatTime(o.now);
  return ended?.startedAt === undefined ? { completionTime } : { startTime: ended.startedAt, completionTime };
}

const failed = (test: Test, reason: string, message: string): Result =>
  settled(test.image, { ...test.status, ...times(test), outcome: 'Failed', reason, message: shorten(message) });

/** A new Pod of the same name is made when this one is gone: the first at once, the next ones after pauses that grow. */
function replacePod({ o, status, pod }: Test, end: { reason?: string; message?: string } = podEnd(pod) ?? {}): Result {
  const { reason = 'Ended', message: why = 'The Pod was ended before it could answer' } = end;
  const ending = { pod, reason, message: why, ended: true, pause: pauses.down, now: o.now };
  const interruption = interrupt(status.interruption, ending);
  const it = running({ ...status, interruption }, `${reason}: ${why}`);
  const pause = pauseSeconds(interruption, o.now);
  return pause > 0 ? { ...it, requeueAfterSeconds: pause } : { ...it, actions: [podDeletion(pod)] };
}

function settled(image: TestedImage, status: VerificationStatus): Result {
  if (status.outcome === 'Passed') return stage('Done', status, 'True', 'Passed', `It passed on ${status.node}`);
  const message = `${status.message ?? ''}\nNo other node gets it; ${tryAgain(image)}`;
  return stage('Failed', status, 'False', status.reason ?? 'Failed', message);
}

function waitingForNode({ spec }: TestedImage): Result {
  const labels = Object.entries(spec.verification.nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`).join(','); // prettier-ignore
  const message = `No node that is ready and takes new Pods has the architecture ${spec.architecture}${labels && ` and the labels ${labels}`}; it is tested when there is one`;
  return stage('Going', undefined, 'Unknown', 'WaitingForNode', message);
}

function fetching(status: VerificationStatus, stored: StoredImage | undefined): Result {
  if (stored?.state !== 'Failed') {
    const waits = stage('Going', status, 'Unknown', 'Fetching', `${status.node} is fetching it`);
    return { ...waits, requeueAfterSeconds };
  }
  const message = `${status.node} could not store it, and goes on trying: ${stored.message ?? ''}; cordon the node to have another one chosen`;
  return stage('Failed', status, 'False', stored.reason ?? 'Failed', message);
}

function running(status: VerificationStatus, problem: string | undefined): Result {
  return stage('Going', status, 'Unknown', 'Running', `It is being tested on ${status.node}${because(problem)}`);
}

function stage(
  progress: Result['progress'],
  status: VerificationStatus | undefined,
  state: Stated['status'],
  reason: string,
  message: string,
): Result {
  return { progress, status, condition: { type, status: state, reason, message }, actions: [] };
}

const because = (problem: string | undefined): string => (problem === undefined ? '' : `: ${problem}`);
