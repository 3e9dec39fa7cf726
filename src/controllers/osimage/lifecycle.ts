import { annotations, labels } from '../../api/names.ts';
import type { Build } from '../../api/build.ts';
import type { Interruption } from '../../api/interruption.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import { digestOf } from '../images.ts';
import { planBuild } from './stages/build.ts';
import type { Action, Observed, StageResult, Stated } from './observed.ts';
import { externalSource, planPublication, waitingToPublish } from './stages/publication.ts';
import { isTested, planVerification, podDeletion, testNamed, waitingForBuild } from './stages/verification.ts';
import { truncate } from '../../runtime/text.ts';

/** What becomes of an image before it may reach the nodes that distributions select. */
export interface Lifecycle {
  status: Pick<OSImageStatus, 'build' | 'verification' | 'publication' | 'retryToken'>;
  /** Built, Verified and Published, as far as they apply. */
  conditions: Stated[];
  /** The first step that is not done. */
  pending?: Pick<StageResult<unknown>, 'condition' | 'progress'> | undefined;
  actions: Action[];
  requeueAfterSeconds?: number | undefined;
}

const longestToken = 253;

/** Build, then test, then publish; each step sees what the one before has just come to. */
export function planLifecycle(o: Observed): Lifecycle {
  const { source } = o.image.spec;
  const token = truncate(o.image.metadata.annotations?.[annotations.retry] ?? '', longestToken);
  const before = forgetFailures(o.image, token);
  const build = source.build && planBuild(o, source.build, before.build, token);
  const image = withStatus(o.image, { ...before, build: build?.status });
  const verification = verify(o, image, token);
  const publication = source.build && publish(o, image, source.build, { build, verification }, token);

  const stages = [build, verification, publication].filter((it) => it !== undefined);
  const pending = stages.find(({ progress }) => progress !== 'Done');
  const requeues = stages.flatMap(({ requeueAfterSeconds }) => requeueAfterSeconds ?? []);
  const status = {
    build: build?.status,
    verification: verification?.status,
    publication: publication?.status,
    retryToken: token === '' ? undefined : token,
  };
  return {
    status,
    conditions: [...stages.map(({ condition }) => condition), ...(source.build ? [] : [externalSource])],
    pending,
    actions: [...stages.flatMap(({ actions }) => actions), ...leftovers(o, status)],
    requeueAfterSeconds: requeues.length > 0 ? Math.min(...requeues) : undefined,
  };
}

type Verification = NonNullable<OSImageStatus['verification']>;
type Publication = NonNullable<OSImageStatus['publication']>;

function verify(o: Observed, image: OSImage, token: string): StageResult<Verification> | undefined {
  if (!isTested(image)) return undefined;
  if (digestOf(image) === undefined) return waiting(waitingForBuild);
  return planVerification(o, image, image.status?.verification, token);
}

function publish(
  o: Observed,
  image: OSImage,
  build: Build,
  earlier: { build: StageResult<unknown> | undefined; verification: StageResult<unknown> | undefined },
  token: string,
): StageResult<Publication> {
  const digest = digestOf(image);
  if (digest === undefined || (earlier.verification && earlier.verification.progress !== 'Done'))
    return waiting(waitingToPublish(earlier.build?.progress ?? 'Done'));
  return planPublication(o, build, digest, image.status?.publication, token);
}

const waiting = (condition: Stated): StageResult<never> => ({ progress: 'Going', condition, actions: [] });

const withStatus = (image: OSImage, status: OSImageStatus): OSImage => ({ ...image, status });

/** The status without what has failed, and without pauses, once the annotation asks for another try. */
function forgetFailures({ status = {} }: OSImage, token: string): OSImageStatus {
  if (token === (status.retryToken ?? '')) return status;
  return {
    ...status,
    build: status.build?.reason === undefined ? atOnce(status.build) : undefined,
    verification: status.verification?.outcome === 'Failed' ? undefined : atOnce(status.verification),
    publication: status.publication?.reason === undefined ? atOnce(status.publication) : undefined,
  };
}

/** Whoever asks for another try does not wait for a pause. */
function atOnce<Status extends { interruption?: Interruption | undefined }>(
  status: Status | undefined,
): Status | undefined {
  return status?.interruption ? { ...status, interruption: undefined } : status;
}

/** What earlier tries have left, and the Pod of a test that has passed. What failed last is kept for looking at it. */
function leftovers(o: Observed, status: Lifecycle['status']): Action[] {
  const currentJobs = [status.build?.job, status.publication?.job];
  const jobs = o.jobs.filter(({ metadata }) => !currentJobs.includes(metadata.name));
  // Not before the outcome is written down.
  const passed = o.image.status?.verification?.outcome === 'Passed';
  const tests = o.pods.filter(({ metadata }) => metadata.labels?.[labels.step] === 'verify');
  // One that an earlier version made elsewhere is a leftover, too.
  const current = testNamed(o, status.verification?.pod);
  const pods = tests.filter((pod) => passed || pod !== current);
  return [
    ...jobs.filter(isStaying).map(({ metadata: { name, uid = '' } }) => ({ type: 'DeleteJob' as const, name, uid })),
    ...pods.filter(isStaying).map(podDeletion),
  ];
}

const isStaying = ({ metadata }: Pick<OSImage, 'metadata'>): boolean => metadata.deletionTimestamp === undefined;
