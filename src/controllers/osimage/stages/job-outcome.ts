import type { z } from 'zod';
import type { ContainerState, Job, Pod } from '../../../api/kubernetes/objects.ts';
import type { SeenJob } from '../../caches.ts';
import type { Observed } from '../observed.ts';
import { firstHit } from '../../../runtime/rules.ts';

/** How a Job stands, from it and its Pod. */
export type JobOutcome<Answer> =
  | { state: 'Running'; message: string; requeueAfterSeconds?: number }
  | { state: 'Succeeded'; answer: Answer; time: string }
  | { state: 'Failed'; reason: string; message: string; time: string };

interface Failure {
  reason: string;
  message: string;
}

/** The watch of Pods may be behind that of Jobs for so long. Counted by the clock of this process alone. */
const answerSeconds = 30;

/** Judges a Job whose Pod answers with `schema` in its termination message. `failed` is the reason when it gives none. */
export function jobOutcome<Answer extends object>(
  o: Observed,
  job: SeenJob,
  schema: z.ZodType<Answer | Failure>,
  failed: string,
): JobOutcome<Answer> {
  const pod = newestPodOf(o, job);
  const end = endOf(job);
  if (!end) return { state: 'Running', message: podProblem(pod) ?? '' };
  const time = end.lastTransitionTime ?? o.now.toISOString();
  const container = terminated(pod);
  const answer = container && readAnswer(container.message, schema);
  if (end.type === 'Complete' && answer && !('reason' in answer)) return { state: 'Succeeded', answer, time };
  const seconds = job.seenTime === undefined ? answerSeconds : (o.now.getTime() - job.seenTime) / 1000;
  if (!container && end.reason !== 'DeadlineExceeded' && seconds < answerSeconds) {
    const message = 'it has ended; its answer is awaited';
    return { state: 'Running', message, requeueAfterSeconds: answerSeconds - seconds };
  }
  const failure = whyFailed({ job, end, pod, container, answer });
  return { state: 'Failed', reason: failure.reason === '' ? failed : failure.reason, message: failure.message, time };
}

type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

const endOf = (job: Job): JobCondition | undefined =>
  job.status?.conditions?.find(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'));

/** What is known of a Job that has failed. */
interface Input {
  job: Job;
  end: JobCondition;
  pod: Pod | undefined;
  container: ContainerState['terminated'];
  answer: object | undefined;
}
type Rule = (input: Input) => Failure | undefined;

/** The kubelet ended it; what the builder could still say of that tells nothing more. */
const podTimedOut: Rule = ({ job, pod, container, answer }) => {
  if (pod?.status?.reason !== 'DeadlineExceeded') return undefined;
  const { activeDeadlineSeconds = 0 } = job.spec.template.spec;
  const lines = answer ? '' : lastLines(container?.message);
  return { reason: 'TimedOut', message: `Job ${job.metadata.name} was ended after ${activeDeadlineSeconds} s${lines}` };
};

/** It used more than it may of the disk; for the sake of the node it would have been made again. */
const evicted: Rule = ({ job, pod }) => {
  if (pod?.status?.reason !== 'Evicted') return undefined;
  return { reason: 'Evicted', message: `The node ended Job ${job.metadata.name}: ${pod.status.message ?? 'Evicted'}` };
};

const answered: Rule = ({ answer }) => {
  if (!answer || !('reason' in answer) || !('message' in answer)) return undefined;
  const reason = String(answer.reason);
  return { reason: /^[A-Z][A-Za-z0-9]*$/.test(reason) ? reason : '', message: String(answer.message) };
};

const jobTimedOut: Rule = ({ job, end, pod }) => {
  if (end.reason !== 'DeadlineExceeded') return undefined;
  const why = podProblem(pod) ?? 'its Pod did not get to run in time';
  const message = `Job ${job.metadata.name} was ended after ${job.spec.activeDeadlineSeconds} s: ${why}`;
  return { reason: 'TimedOut', message };
};

const ordinary = ['Error', 'Completed'];
const endedWithoutAnswer: Rule = ({ job, container }) => {
  if (!container) return undefined;
  const { reason = 'Error', exitCode, message } = container;
  const how = ordinary.includes(reason) ? `exit code ${exitCode}` : `${reason}, exit code ${exitCode}`;
  return { reason: '', message: `Job ${job.metadata.name} ended without an answer (${how})${lastLines(message)}` };
};

const lostPod = ({ job, end, pod }: Input): Failure => {
  const why = pod?.status?.message ?? end.message ?? 'its Pod is gone';
  return { reason: '', message: `Job ${job.metadata.name} ended without an answer: ${why}` };
};

/** First hit wins; no reason where no one gave one. */
function whyFailed(input: Input): Failure {
  return firstHit([podTimedOut, evicted, answered, jobTimedOut, endedWithoutAnswer], input) ?? lostPod(input);
}

/** The end of a log, as a part of a message. */
export const lastLines = (log: string | undefined): string => (log?.trim() ? `. Its last lines:\n${log.trim()}` : '');

function readAnswer<Answer>(message: string | undefined, schema: z.ZodType<Answer>): Answer | undefined {
  try {
    return schema.safeParse(JSON.parse(message ?? '')).data;
  } catch {
    return undefined;
  }
}

/** A Job whose Pod was evicted has made another. */
function newestPodOf(o: Observed, job: Job): Pod | undefined {
  const mine = o.pods.filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid));
  const time = (pod: Pod) => pod.metadata.creationTimestamp ?? '';
  return mine.sort((a, b) => (time(a) < time(b) ? 1 : -1))[0];
}

/** How the container of a Pod with one ended, if it has. */
export const terminated = (pod: Pod | undefined): ContainerState['terminated'] =>
  pod?.status?.containerStatuses?.[0]?.state?.terminated;

/** Of a container that the kubelet is about to start. */
const beginning = ['ContainerCreating', 'PodInitializing'];

/** What keeps a Pod from running, in the words of the scheduler or the kubelet. */
export function podProblem(pod: Pod | undefined): string | undefined {
  const unscheduled = pod?.status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'False');
  if (unscheduled) return unscheduled.message ?? 'no node is chosen yet';
  const containers = [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])];
  const waiting = containers
    .map(({ state }) => state?.waiting)
    .find((it) => !beginning.includes(it?.reason ?? 'ContainerCreating'));
  if (!waiting?.reason) return undefined;
  return waiting.message ? `${waiting.reason}: ${waiting.message}` : waiting.reason;
}
