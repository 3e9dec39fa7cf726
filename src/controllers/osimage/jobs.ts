import type { z } from 'zod';
import type { ContainerState, Job, Pod } from '../../pod/types.ts';
import type { Observed } from './observed.ts';

/** How a Job stands, from it and its Pod. */
export type Outcome<Answer> =
  | { state: 'Running'; message: string; requeueAfterSeconds?: number }
  | { state: 'Succeeded'; answer: Answer; time: string }
  | { state: 'Failed'; reason: string; message: string; time: string };

interface Failure {
  reason: string;
  message: string;
}

/** The watch of Pods may be behind that of Jobs for so long. */
const answerSeconds = 30;

/** Judges a Job whose Pod answers with `schema` in its termination message. `failed` is the reason when it gives none. */
export function judgeJob<Answer extends object>(
  o: Observed,
  job: Job,
  schema: z.ZodType<Answer | Failure>,
  failed: string,
): Outcome<Answer> {
  const pod = newestPodOf(o, job);
  const end = (job.status?.conditions ?? []).find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  );
  if (!end) return { state: 'Running', message: podProblem(pod) ?? '' };
  const time = end.lastTransitionTime ?? o.now.toISOString();
  const ended = terminated(pod);
  const answer = ended && readAnswer(ended.message, schema);
  if (end.type === 'Complete' && answer && !('reason' in answer)) return { state: 'Succeeded', answer, time };
  if (!ended && end.reason !== 'DeadlineExceeded' && o.now.getTime() - Date.parse(time) < answerSeconds * 1000) {
    return { state: 'Running', message: 'it has ended; its answer is awaited', requeueAfterSeconds: answerSeconds };
  }
  const failure = whyFailed(job, end, pod, answer);
  return { state: 'Failed', reason: failure.reason === '' ? failed : failure.reason, message: failure.message, time };
}

/** First hit wins; no reason where nobody gave one. */
function whyFailed(
  job: Job,
  end: { type: string; reason?: string; message?: string },
  pod: Pod | undefined,
  answer: object | undefined,
): Failure {
  const { name } = job.metadata;
  const ended = terminated(pod);
  const last = ended?.message?.trim() ? `. Its last lines:\n${ended.message.trim()}` : '';
  if (pod?.status?.reason === 'DeadlineExceeded') {
    const limit = job.spec.template.spec.activeDeadlineSeconds ?? job.spec.activeDeadlineSeconds;
    const lines = answer && 'message' in answer ? '' : last;
    return { reason: 'TimedOut', message: `Job ${name} was ended after ${limit} s${lines}` };
  }
  if (answer && 'reason' in answer && 'message' in answer) {
    const reason = String(answer.reason);
    return { reason: /^[A-Z][A-Za-z0-9]*$/.test(reason) ? reason : '', message: String(answer.message) };
  }
  if (end.reason === 'DeadlineExceeded') {
    const why = podProblem(pod) ?? 'its Pod did not get to run in time';
    return { reason: 'TimedOut', message: `Job ${name} was ended after ${job.spec.activeDeadlineSeconds} s: ${why}` };
  }
  if (ended) {
    const how = ended.reason && ended.reason !== 'Error' && ended.reason !== 'Completed' ? `${ended.reason}, ` : '';
    return { reason: '', message: `Job ${name} ended without an answer (${how}exit code ${ended.exitCode})${last}` };
  }
  const why = pod?.status?.message ?? end.message ?? 'its Pod is gone';
  return { reason: '', message: `Job ${name} ended without an answer: ${why}` };
}

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

/** What keeps a Pod with one container from running, in the words of the scheduler or the kubelet. */
export function podProblem(pod: Pod | undefined): string | undefined {
  const unscheduled = pod?.status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'False');
  if (unscheduled) return unscheduled.message ?? 'no node is chosen yet';
  const waiting = pod?.status?.containerStatuses?.[0]?.state?.waiting;
  if (!waiting?.reason || waiting.reason === 'ContainerCreating') return undefined;
  return waiting.message ? `${waiting.reason}: ${waiting.message}` : waiting.reason;
}
