import type { Build } from '../../api/build.ts';
import { publishAnswer } from '../../api/buildrun.ts';
import type { PublishAnswer } from '../../api/buildrun.ts';
import type { OSImageStatus } from '../../api/osimage.ts';
import { publishJob, recipeConfigMap, stepName } from '../../pod/build-job.ts';
import { formatTime } from '../../runtime/time.ts';
import { judgeJob } from './jobs.ts';
import { shorten, tryAgain } from './observed.ts';
import type { Observed, Progress, Stage, Stated } from './observed.ts';

type PublicationStatus = NonNullable<OSImageStatus['publication']>;
type Published = Extract<PublishAnswer, { reference: string }>;

const type = 'Published';

/** What others push, or serve, is published by them. */
export const externalSource: Stated = {
  type,
  status: 'True',
  reason: 'ExternalSource',
  message: 'The archive is where spec.source says',
};

/** Not its turn yet: the step before is not done. */
export function waitingToPublish(built: Progress): Stated {
  return built === 'Done'
    ? { type, status: 'False', reason: 'WaitingForVerification', message: 'It is published when it has passed' }
    : { type, status: 'False', reason: 'WaitingForBuild', message: 'It is published when it is built and has passed' };
}

/** From the testing to the production repository, by a Job. First hit wins. `before` is unset for a new try. */
export function planPublication(
  o: Observed,
  build: Build,
  digest: string,
  before: PublicationStatus | undefined,
  token: string,
): Stage<PublicationStatus> {
  if (before?.reference !== undefined || before?.reason !== undefined) return settled(o, before);
  const name = before?.job ?? stepName('publish', o.image.spec, token);
  const status: PublicationStatus = before ?? { job: name, startTime: formatTime(o.now) };
  const job = o.jobs.find(({ metadata }) => metadata.name === name);
  if (!job && o.refusal !== undefined) {
    const condition: Stated = { type, status: 'False', reason: 'JobRefused', message: o.refusal };
    return { progress: 'Failed', status: before, condition, actions: [] };
  }
  if (!job) {
    const actions: Stage<PublicationStatus>['actions'] = [
      { type: 'CreateConfigMap', configMap: recipeConfigMap(o.image, build, o.settings) },
      { type: 'CreateJob', job: publishJob(o.image, build, o.settings, name, digest) },
    ];
    return { progress: 'Going', status, condition: publishing(o, name, ''), actions };
  }
  const outcome = judgeJob<Published>(o, job, publishAnswer, 'PublishFailed');
  switch (outcome.state) {
    case 'Running': {
      const { message, requeueAfterSeconds } = outcome;
      const condition = publishing(o, name, message);
      return { progress: 'Going', status, condition, actions: [], ...(requeueAfterSeconds && { requeueAfterSeconds }) };
    }
    case 'Succeeded':
      return settled(o, { ...status, completionTime: outcome.time, ...outcome.answer });
    case 'Failed': {
      const { reason, message, time } = outcome;
      return settled(o, { ...status, completionTime: time, reason, message: shorten(message) });
    }
  }
}

function settled({ image }: Observed, status: PublicationStatus): Stage<PublicationStatus> {
  const { reference, signed } = status;
  if (reference !== undefined) {
    const message = `It is ${reference}${signed ? ', signed' : ''}`;
    return { progress: 'Done', status, condition: { type, status: 'True', reason: type, message }, actions: [] };
  }
  const message = `${status.message ?? ''}\n${tryAgain(image)}`;
  const condition: Stated = { type, status: 'False', reason: status.reason ?? 'PublishFailed', message };
  return { progress: 'Failed', status, condition, actions: [] };
}

function publishing({ settings }: Observed, job: string, problem: string): Stated {
  const follow = `follow it: kubectl -n ${settings.namespace} logs -f job/${job}`;
  const message = `It is being copied to production; ${follow}${problem === '' ? '' : ` (${problem})`}`;
  return { type, status: 'Unknown', reason: 'Publishing', message };
}
