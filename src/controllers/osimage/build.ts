import type { Build } from '../../api/build.ts';
import { buildAnswer } from '../../api/buildrun.ts';
import type { BuildAnswer } from '../../api/buildrun.ts';
import type { OSImageStatus } from '../../api/osimage.ts';
import { buildJob, recipeConfigMap, stepName } from '../../pod/build-job.ts';
import { testingReference } from '../../pod/repository.ts';
import { formatTime } from '../../runtime/time.ts';
import { judgeJob } from './jobs.ts';
import { shorten, tryAgain } from './observed.ts';
import type { Observed, Stage, Stated } from './observed.ts';

type BuildStatus = NonNullable<OSImageStatus['build']>;
type Built = Extract<BuildAnswer, { digest: string }>;

/** From the recipe to an image in the testing repository, by a Job. First hit wins. `before` is unset for a new try. */
export function planBuild(
  o: Observed,
  build: Build,
  before: BuildStatus | undefined,
  token: string,
): Stage<BuildStatus> {
  if (before?.digest !== undefined) return settled(o, build, before);
  if (before?.reason !== undefined) return settled(o, build, before);
  const name = before?.job ?? stepName('build', o.image.spec, token);
  const status: BuildStatus = before ?? { job: name, startTime: formatTime(o.now) };
  const job = o.jobs.find(({ metadata }) => metadata.name === name);
  if (!job && o.refusal !== undefined) return refused(before, o.refusal);
  if (!job) {
    const actions: Stage<BuildStatus>['actions'] = [
      { type: 'CreateConfigMap', configMap: recipeConfigMap(o.image, build, o.settings) },
      { type: 'CreateJob', job: buildJob(o.image, build, o.settings, name) },
    ];
    return { progress: 'Going', status, condition: building(o, name, ''), actions };
  }
  const outcome = judgeJob<Built>(o, job, buildAnswer, 'BuildFailed');
  switch (outcome.state) {
    case 'Running': {
      const { message, requeueAfterSeconds } = outcome;
      const condition = building(o, name, message);
      return { progress: 'Going', status, condition, actions: [], ...(requeueAfterSeconds && { requeueAfterSeconds }) };
    }
    case 'Succeeded':
      return settled(o, build, { ...status, completionTime: outcome.time, ...outcome.answer });
    case 'Failed': {
      const { reason, message, time } = outcome;
      return settled(o, build, { ...status, completionTime: time, reason, message: shorten(message) });
    }
  }
}

/** It has ended, well or not. */
function settled({ image }: Observed, build: Build, status: BuildStatus): Stage<BuildStatus> {
  if (status.digest !== undefined) {
    const message = `${testingReference(build, image.spec)} is ${status.digest}`;
    return {
      progress: 'Done',
      status,
      condition: { type: 'Built', status: 'True', reason: 'Pushed', message },
      actions: [],
    };
  }
  const message = `${status.message ?? ''}\nspec is immutable: create another version; or ${tryAgain(image)}`;
  const condition: Stated = { type: 'Built', status: 'False', reason: status.reason ?? 'BuildFailed', message };
  return { progress: 'Failed', status, condition, actions: [] };
}

function building({ settings }: Observed, job: string, problem: string): Stated {
  const follow = `follow it: kubectl -n ${settings.namespace} logs -f job/${job}`;
  const message = `It is being built; ${follow}${problem === '' ? '' : ` (${problem})`}`;
  return { type: 'Built', status: 'Unknown', reason: 'Building', message };
}

function refused(status: BuildStatus | undefined, message: string): Stage<BuildStatus> {
  const condition: Stated = { type: 'Built', status: 'False', reason: 'JobRefused', message };
  return { progress: 'Failed', status, condition, actions: [] };
}
