import type { StoredImage } from '../../api/nodestore.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import { stepName } from '../../pod/build-job.ts';
import type { Pod } from '../../pod/types.ts';
import { verificationPod } from '../../pod/verification-pod.ts';
import type { VerificationPod } from '../../pod/verification-pod.ts';
import { formatTime } from '../../runtime/time.ts';
import { storedImage } from '../storage.ts';
import { podProblem, terminated } from './jobs.ts';
import { shorten, tryAgain } from './observed.ts';
import type { Observed, Stage, Stated } from './observed.ts';
import { chooseNode } from './verification-node.ts';

type VerificationStatus = NonNullable<OSImageStatus['verification']>;
type TestedImage = VerificationPod['image'];
type Result = Stage<VerificationStatus>;

const type = 'Verified';
/** A Pod that no kubelet would take is not made anew faster than this. */
const pauseSeconds = 10;

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
  const old = podNamed(o, before?.pod);
  const node = chooseNode(image, o.nodes, o.stores, before && { node: before.node, started: old !== undefined });
  if (node === undefined) return waitingForNode(image);
  const moved = node !== before?.node;
  const name = (moved ? undefined : before.pod) ?? stepName('verify', image.spec, `${node} ${token}`);
  const pod = podNamed(o, name);
  if (pod) return judgePod(o, image, { ...(moved ? { node } : before), pod: name }, pod);
  const stored = storedImage(o.stores.find(({ metadata }) => metadata.name === node), image); // prettier-ignore
  if (stored?.state !== 'Ready') return fetching({ node }, stored);
  const { namespace, scaffolds } = o.settings;
  const toCreate = verificationPod({ image, stored, node, name, namespace, scaffolds });
  if (!toCreate) return fetching({ node }, undefined);
  if (o.refusal !== undefined) return stage('Failed', { node }, 'False', 'PodRefused', o.refusal);
  return { ...running({ node, pod: name }, undefined), actions: [{ type: 'CreatePod', pod: toCreate }] };
}

const podNamed = (o: Observed, name: string | undefined): Pod | undefined =>
  o.pods.find(({ metadata }) => metadata.name === name);

/** First hit wins. */
function judgePod(o: Observed, image: TestedImage, status: VerificationStatus, pod: Pod): Result {
  // It goes, because it did not get to answer; the next one has its name.
  if (pod.metadata.deletionTimestamp !== undefined) return running(status, 'the Pod is being replaced');
  const ended = terminated(pod);
  const times = {
    ...(ended?.startedAt !== undefined && { startTime: ended.startedAt }),
    completionTime: ended?.finishedAt ?? formatTime(o.now),
  };
  if (pod.status?.reason === 'DeadlineExceeded') {
    const { timeoutSeconds } = image.spec.verification;
    const message = `It did not end within ${timeoutSeconds} s${because(podProblem(pod))}${lastLines(ended?.message)}`;
    return settled(image, { ...status, ...times, outcome: 'Failed', reason: 'TimedOut', message: shorten(message) });
  }
  if (isDisturbed(pod)) return replace(o, status, pod);
  if (ended?.exitCode === 0) return settled(image, { ...status, ...times, outcome: 'Passed' });
  if (ended) {
    const message = `The command ended with exit code ${ended.exitCode} on ${status.node}${lastLines(ended.message)}`;
    return settled(image, { ...status, ...times, outcome: 'Failed', reason: 'Failed', message: shorten(message) });
  }
  if (pod.status?.phase === 'Failed') return replace(o, status, pod);
  const startTime = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt;
  return running({ ...status, ...(startTime !== undefined && { startTime }) }, podProblem(pod));
}

/** It was ended for the sake of its node, which says nothing of the image. */
const isDisturbed = (pod: Pod): boolean =>
  (pod.status?.conditions ?? []).some(({ type: it, status }) => it === 'DisruptionTarget' && status === 'True');

function replace(o: Observed, status: VerificationStatus, pod: Pod): Result {
  const { name, uid = '', creationTimestamp } = pod.metadata;
  const why = pod.status?.message ?? pod.status?.reason ?? 'the Pod was ended before it could answer';
  const age = creationTimestamp === undefined ? pauseSeconds : (o.now.getTime() - Date.parse(creationTimestamp)) / 1000;
  if (age < pauseSeconds) return { ...running(status, why), requeueAfterSeconds: pauseSeconds - age };
  return { ...running(status, why), actions: [{ type: 'DeletePod', name, uid }] };
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
  if (stored?.state !== 'Failed') return stage('Going', status, 'Unknown', 'Fetching', `${status.node} is fetching it`);
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
const lastLines = (log: string | undefined): string => (log?.trim() ? `. Its last lines:\n${log.trim()}` : '');
