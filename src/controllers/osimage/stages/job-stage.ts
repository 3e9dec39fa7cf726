import type { z } from 'zod';
import type { ConfigMap, Job } from '../../../api/kubernetes/objects.ts';
import type { Interruption } from '../../../api/interruption.ts';
import { formatTime } from '../../../runtime/time.ts';
import { interruptByDeletion, pauseSeconds, pauseText } from '../../interruption.ts';
import { jobOutcome } from './job-outcome.ts';
import { shorten } from '../observed.ts';
import type { Observed, StageResult, Stated } from '../observed.ts';

/** What the status says of a Job: `reason` when it has failed. */
interface JobStatus {
  job: string;
  startTime: string;
  completionTime?: string | undefined;
  reason?: string | undefined;
  message?: string | undefined;
  interruption?: Interruption | undefined;
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
  stage: JobStage<Status, Answer>,
): StageResult<Status> {
  const { type, before } = stage;
  const end = (status: Status): StageResult<Status> => {
    const progress = stage.isDone(status) ? 'Done' : 'Failed';
    return { progress, status, condition: { type, ...stage.settled(status) }, actions: [] };
  };
  if (before && (before.reason !== undefined || stage.isDone(before))) return end(before);

  const name = before?.job ?? stage.name;
  const status = countDeletion(o, before ?? stage.unanswered({ job: name, startTime: formatTime(o.now) }));
  const going = (problem: string): StageResult<Status> => {
    const follow = `follow it: kubectl -n ${o.settings.namespace} logs -f job/${name}`;
    const hint = problem === '' ? follow : `${follow} (${problem})`;
    return { progress: 'Going', status, condition: { type, ...stage.going(hint) }, actions: [] };
  };
  const job = o.jobs.find(({ metadata }) => metadata.name === name);
  if (!job) return makeJob(o, stage, status, going);

  const outcome = jobOutcome<Answer>(o, job, stage.schema, stage.failed);
  switch (outcome.state) {
    case 'Running': {
      const { requeueAfterSeconds } = outcome;
      return { ...going(outcome.message), ...(requeueAfterSeconds !== undefined && { requeueAfterSeconds }) };
    }
    case 'Succeeded': {
      const { job: made, startTime } = status;
      return end({ ...stage.answered({ job: made, startTime }, outcome.answer), completionTime: outcome.time });
    }
    case 'Failed': {
      const { reason, message, time } = outcome;
      const { job: made, startTime } = status;
      return end(stage.unanswered({ job: made, startTime, completionTime: time, reason, message: shorten(message) }));
    }
  }
}

/** There is no Job: it is made, unless there is a pause before it, or the API server does not take it. */
function makeJob<Status extends JobStatus, Answer extends object>(
  o: Observed,
  { type, before, make, going: says }: JobStage<Status, Answer>,
  status: Status,
  going: (problem: string) => StageResult<Status>,
): StageResult<Status> {
  if (o.refusal !== undefined) {
    const condition: Stated = { type, status: 'False', reason: 'JobRefused', message: o.refusal };
    return { progress: 'Failed', status: before && status, condition, actions: [] };
  }
  const { interruption, job: name } = status;
  const pause = pauseSeconds(interruption, o.now);
  if (interruption && pause > 0) {
    const condition = { type, ...says(pauseText(interruption, 'Job')) };
    return { ...going(''), condition, requeueAfterSeconds: pause };
  }
  const { configMap, job } = make(name);
  const actions = [
    { type: 'CreateConfigMap' as const, configMap },
    { type: 'CreateJob' as const, job },
  ];
  return { ...going(''), actions };
}

/** The status with the Job that somebody else has deleted: the next one is made at once, each further one of a row later. */
function countDeletion<Status extends JobStatus>(o: Observed, status: Status): Status {
  const deleted = o.deletedByOthers?.find(({ metadata }) => metadata.name === status.job);
  if (!deleted) return status;
  const ending = { pod: deleted, message: 'Somebody deleted it before it could answer', now: o.now };
  return { ...status, interruption: interruptByDeletion(status.interruption, ending) };
}
