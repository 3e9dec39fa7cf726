import type { Build } from '../../../api/build.ts';
import { publishAnswer } from '../../../api/buildrun.ts';
import type { PublishAnswer } from '../../../api/buildrun.ts';
import type { OSImageStatus } from '../../../api/osimage.ts';
import type { Progress } from '../../../runtime/conditions.ts';
import { publishJob, recipeConfigMap, stageObjectName } from './build-job.ts';
import { planJob } from './job-stage.ts';
import { tryAgain } from '../observed.ts';
import type { Observed, StageResult, Stated } from '../observed.ts';

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

/** From the testing to the production repository, by a Job. `before` is unset for a new try. */
export function planPublication(
  o: Observed,
  build: Build,
  digest: string,
  before: PublicationStatus | undefined,
  token: string,
): StageResult<PublicationStatus> {
  const { image, settings } = o;
  return planJob<PublicationStatus, Published>(o, {
    type,
    before,
    name: stageObjectName('publish', image.spec, token),
    make: (name) => ({
      configMap: recipeConfigMap(image, build, settings),
      job: publishJob(image, build, settings, name, digest),
    }),
    schema: publishAnswer,
    failed: 'PublishFailed',
    answered: (status, answer) => ({ ...status, ...answer }),
    unanswered: (status) => status,
    isDone: ({ reference }) => reference !== undefined,
    going: (hint) => ({
      status: 'Unknown',
      reason: 'Publishing',
      message: `It is being copied to production; ${hint}`,
    }),
    settled: ({ reference, signed, reason = 'PublishFailed', message = '' }) =>
      reference === undefined
        ? { status: 'False', reason, message: `${message}\n${tryAgain(image)}` }
        : { status: 'True', reason: type, message: `It is ${reference}${signed ? ', signed' : ''}` },
  });
}
