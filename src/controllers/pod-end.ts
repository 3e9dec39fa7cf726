import { containerName } from '../pod/pod.ts';
import type { ContainerState, ContainerStatus, Node, Pod, PodStatus } from '../api/kubernetes/objects.ts';
import { firstHit } from '../runtime/rules.ts';

/**
 * What the end of a Pod says about the image that it ran; the one place for HostedContainers and for tests of images.
 * `Container`: the container exited by itself. `OwnUsage`: the kubelet evicted the Pod because the container used more disk or
 * memory than it may. `Cluster`: anything else, such as a node without resources, a preemption, a shutdown or a refusal of the
 * kubelet. That says nothing about the image.
 */
export interface PodEnd {
  cause: 'Container' | 'OwnUsage' | 'Cluster';
  /** One CamelCase word, of the kubelet where it gives one. */
  reason: string;
  message: string;
}

type Terminated = NonNullable<ContainerState['terminated']>;
interface Ended {
  pod: Pod;
  terminated: Terminated | undefined;
}
type Rule = (ended: Ended) => PodEnd['cause'] | undefined;

/** The kubelet enforces a limit that the Pod itself has: of a container, of all of them, or of an emptyDir. */
const overLimit: Rule = ({ pod: { status } }) =>
  status?.reason === 'Evicted' &&
  /exceed(s|ed) (the total limit|its local ephemeral storage limit|the limit)/.test(status.message ?? '')
    ? 'OwnUsage'
    : undefined;

/**
 * The node ran out of something, and the container used more of it than it had requested. Without a request the message says the
 * same of every container, which tells nothing.
 */
const overRequest: Rule = ({ pod: { status } }) => {
  if (status?.reason !== 'Evicted') return undefined;
  const match = /Container main was using \S+, request is (\S+), has larger consumption/.exec(status.message ?? '');
  return match && match[1] !== '0' ? 'OwnUsage' : undefined;
};

/** The condition stays when the deletion that it announces did not happen: alone it is no end. */
const disrupted: Rule = ({ pod }) => (isDisrupted(pod) ? 'Cluster' : undefined);

/** The kubelet refused the Pod, or ended it for a reason of its own. */
const namedByKubelet: Rule = ({ pod: { status } }) => (status?.reason === undefined ? undefined : 'Cluster');

/**
 * A container that is always restarted ends no Pod by its exit: then the kubelet has ended both. Seen with kubelet 1.37: a
 * container that is evicted and exits with 0 when it is asked to leaves a Pod that is Succeeded, without any reason.
 */
const exited: Rule = ({ pod, terminated }) =>
  pod.spec.restartPolicy !== 'Always' && terminated && isOwnExit(terminated) ? 'Container' : undefined;

/** First hit wins. */
const rules: readonly Rule[] = [overLimit, overRequest, disrupted, namedByKubelet, exited];

/** How a Pod that never runs again has ended; undefined while it may run. */
export function podEnd(pod: Pod): PodEnd | undefined {
  const { phase } = pod.status ?? {};
  if (phase !== 'Failed' && phase !== 'Succeeded') return undefined;
  const ended = { pod, terminated: containerStatusOf(pod)?.state?.terminated };
  return { cause: firstHit(rules, ended) ?? 'Cluster', ...wordsOf(ended, phase) };
}

/** The words of the kubelet, else of who wanted the Pod to end, else of the runtime. */
function wordsOf({ pod: { status }, terminated }: Ended, phase: string): { reason: string; message: string } {
  const disruption = status && disruptionOf(status);
  const exit = terminated && `Exit code ${terminated.exitCode}`;
  return {
    reason: status?.reason ?? disruption?.reason ?? terminated?.reason ?? phase,
    message: status?.message ?? disruption?.message ?? exit ?? 'The Pod ended',
  };
}

const containerStatusOf = (pod: Pod): ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === containerName) ?? pod.status?.containerStatuses?.[0];

/** Why Kubernetes is about to end the Pod for the sake of something else, if it is. */
export const disruptionOf = (status: PodStatus) =>
  status.conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');

/** Kubernetes is about to end the Pod for the sake of something else: a drain, a preemption, a node that needs room. */
export const isDisrupted = ({ status }: Pod): boolean => status !== undefined && disruptionOf(status) !== undefined;

/**
 * Did the process in the container end by itself, or by its probes? Not: it never started (the runtime could not), or no one
 * knows how it ended because its node went down.
 */
export function isOwnExit({ reason = '', exitCode }: Terminated): boolean {
  if (reason === 'Unknown' && exitCode === 255) return false;
  return !['ContainerStatusUnknown', 'StartError', 'ContainerCannotRun'].includes(reason);
}

/**
 * How long a node may be dead, or cut off, before Kubernetes says so: `node-monitor-grace-period`, 40 s before Kubernetes 1.32
 * and 50 s since.
 */
export const silenceSeconds = 50;

const silentTaints = new Set(['node.kubernetes.io/unreachable', 'node.kubernetes.io/not-ready']);

/** What is reported of a Pod there is current: its node exists, and its kubelet says that it is well. */
export function nodeAnswers(pod: Pod, nodes: readonly Node[]): boolean {
  const { nodeName } = pod.spec;
  if (nodeName === undefined) return true;
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  return node !== undefined && !node.spec?.taints?.some(({ key }) => silentTaints.has(key));
}
