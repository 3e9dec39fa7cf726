import type { Build } from '../../../api/build.ts';
import { buildAnswer } from '../../../api/buildrun.ts';
import type { BuildAnswer } from '../../../api/buildrun.ts';
import type { OSImageStatus } from '../../../api/osimage.ts';
import { buildJob, recipeConfigMap, stageObjectName } from './build-job.ts';
import { testingReference } from '../../../api/images.ts';
import { planJob } from './job-stage.ts';
import { tryAgain } from '../observed.ts';
import type { Observed, StageResult } from '../observed.ts';

type BuildStatus = NonNullable<OSImageStatus['build']>;
type Built = Extract<BuildAnswer, { digest: string }>;

/** From the recipe to an image in the testing repository, by a Job. `before` is unset for a new try. */
export function planBuild(
  o: Observed,
  build: Build,
  before: BuildStatus | undefined,
  token: string,
): StageResult<BuildStatus> {
  const { image, settings } = o;
  return planJob<BuildStatus, Built>(o, {
    type: 'Built',
    before,
    name: stageObjectName('build', image.spec, token),
    make: (name) => ({
      configMap: recipeConfigMap(image, build, settings),
      job: buildJob(image, build, settings, name),
    }),
    schema: buildAnswer,
    failed: 'BuildFailed',
    answered: (status, answer) => ({ ...status, ...answer }),
    unanswered: (status) => status,
    isDone: ({ digest }) => digest !== undefined,
    going: (hint) => ({ status: 'Unknown', reason: 'Building', message: `It is being built; ${hint}` }),
    settled: ({ digest, reason = 'BuildFailed', message = '' }) =>
      digest === undefined
        ? {
            status: 'False',
            reason,
            message: `${message}\nspec is immutable: create another version; or ${tryAgain(image)}`,
          }
        : { status: 'True', reason: 'Pushed', message: `${testingReference(build, image.spec)} is ${digest}` },
  });
}
