import type { z } from 'zod';
import type { ConfigMap, Job } from '../../../api/kubernetes/objects.ts';
import { formatTime } from '../../../runtime/time.ts';
import { judgeJob } from './job-outcome.ts';
import { shorten } from '../observed.ts';
import type { Observed, Stage, Stated } from '../observed.ts';

/** What the status says of a Job: `reason` when it has failed. */
interface JobStatus {
  job: string;
  startTime: string;
  completionTime?: string | undefined;
  reason?: string | undefined;
  message?: string | undefined;
}

/** A step that is done by one Job. */
export interface JobStage<Status extends JobStatus, Answer extends object> {
  /** Condition that tells of it. */
  type: string;
  /** Unset for a new try. */
  before: Status | undefined;
  /** Of the Job of a new try. */
  name: string;
  /** The Job of this name, and what it reads. */
  make: (name: string) => { configMap: ConfigMap; job: Job };
  schema: z.ZodType<Answer | { reason: string; message: string }>;
  /** The reason when no one gives one. */
  failed: string;
  /** What the Job answered, in the status. */
  answered: (status: { job: string; startTime: string }, answer: Answer) => Status;
  /** The same without an answer. */
  unanswered: (status: JobStatus) => Status;
  isDone: (status: Status) => boolean;
  /** The condition while it is going on; `hint` says how to follow it, and what keeps it from running. */
  going: (hint: string) => Omit<Stated, 'type'>;
  /** The condition when it has ended, well or not. */
  settled: (status: Status) => Omit<Stated, 'type'>;
}

/** First hit wins. */
export function planJob<Status extends JobStatus, Answer extends object>(
  o: Observed,
  step: JobStage<Status, Answer>,
): Stage<Status> {
  const { type, before } = step;
  const end = (status: Status): Stage<Status> => {
    const progress = step.isDone(status) ? 'Done' : 'Failed';
    return { progress, status, condition: { type, ...step.settled(status) }, actions: [] };
  };
  if (before && (before.reason !== undefined || step.isDone(before))) return end(before);

  const name = before?.job ?? step.name;
  const status = before ?? step.unanswered({ job: name, startTime: formatTime(o.now) });
  const going = (problem: string): Stage<Status> => {
    const follow = `follow it: kubectl -n ${o.settings.namespace} logs -f job/${name}`;
    const hint = problem === '' ? follow : `${follow} (${problem})`;
    return { progress: 'Going', status, condition: { type, ...step.going(hint) }, actions: [] };
  };
  const job = o.jobs.find(({ metadata }) => metadata.name === name);
  if (!job && o.refusal !== undefined) {
    const condition: Stated = { type, status: 'False', reason: 'JobRefused', message: o.refusal };
    return { progress: 'Failed', status: before, condition, actions: [] };
  }
  if (!job) {
    const { configMap, job: made } = step.make(name);
    const actions = [
      { type: 'CreateConfigMap' as const, configMap },
      { type: 'CreateJob' as const, job: made },
    ];
    return { ...going(''), actions };
  }

  const outcome = judgeJob<Answer>(o, job, step.schema, step.failed);
  switch (outcome.state) {
    case 'Running': {
      const { requeueAfterSeconds } = outcome;
      return { ...going(outcome.message), ...(requeueAfterSeconds !== undefined && { requeueAfterSeconds }) };
    }
    case 'Succeeded': {
      const { job: made, startTime } = status;
      return end({ ...step.answered({ job: made, startTime }, outcome.answer), completionTime: outcome.time });
    }
    case 'Failed': {
      const { reason, message, time } = outcome;
      const { job: made, startTime } = status;
      return end(step.unanswered({ job: made, startTime, completionTime: time, reason, message: shorten(message) }));
    }
  }
}
