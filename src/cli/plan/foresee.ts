import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { assumedDurations, measureDurations } from '../../controllers/imagedistribution/forecast/durations.ts';
import type { Durations } from '../../controllers/imagedistribution/forecast/durations.ts';
import { forecast } from '../../controllers/imagedistribution/forecast/forecast.ts';
import type { Forecast } from '../../controllers/imagedistribution/forecast/forecast.ts';
import { assumeReady } from '../../controllers/imagedistribution/forecast/assume-ready.ts';
import { isPaused, selectedNodes, storedImage } from '../../controllers/node-images.ts';
import { slots } from '../../controllers/nodestore/plan.ts';
import { defaultVersion } from '../../controllers/default-version.ts';
import type { Subject } from './subject.ts';
import { CommandError } from '../command.ts';

/** What a user may say of the times. */
export interface Times {
  /** From being moved to Ready; undefined: as measured in the fleet. */
  upgrade: Durations | undefined;
  /** One node fetching and unpacking the image. */
  fetchSeconds: number | undefined;
}

export interface Foreseen {
  subject: Subject;
  forecast: Forecast;
  /** Nodes that do not have the image yet, and how long they take. */
  lacking: number;
  distributionSeconds: number;
  fetchSeconds: number;
  /** The rollout is paused: it is foreseen as if it were resumed now. */
  paused: boolean;
}

const assumedFetchSeconds = 60;
const never = 500 * 24 * 3600;

/** The rollout of a distribution over the fleet, from `now` on. Throws an error for users when it moves no containers. */
export function foresee(subject: Subject, times: Times, failing: number, madeUpNodes: number, now: Date): Foreseen {
  const { distribution, scene, madeUp } = subject;
  const asked = distribution.spec.activate.existingContainers;
  if (!asked)
    throw new CommandError(
      `ImageDistribution ${distribution.metadata.name} moves no containers: set spec.activate.existingContainers`,
    );
  const resumed = { ...distribution, spec: { ...distribution.spec, activate: { ...distribution.spec.activate, existingContainers: { ...asked, paused: false } } } }; // prettier-ignore
  const image = assumeReady(distribution, subject.image);
  const fetchSeconds = times.fetchSeconds ?? assumedFetchSeconds;
  const { lacking, total } = madeUp ? { lacking: madeUpNodes, total: madeUpNodes } : nodesLacking(subject, image);
  const atOnce = slots(distribution.spec.parallelism, total);
  const distributionSeconds =
    lacking === 0 ? 0 : isPaused(distribution) ? never : Math.ceil(lacking / Math.max(1, atOnce)) * fetchSeconds;
  const { os } = parseReference(distribution.spec.image);
  const fleet = {
    distribution: resumed,
    distributions: scene.distributions,
    containers: following(scene.containers, os, defaultVersion(os, scene.distributions)),
    find: (name: string, version: string) =>
      imageName(image.spec) === `${name}:${version}`
        ? image
        : scene.osImages.find(({ spec }) => spec.os === name && spec.version === version),
    distributedTime: new Date(now.getTime() + distributionSeconds * 1000),
    now,
  };
  const found = forecast(fleet, durationsOf(subject, times, os), failing);
  if (!found) throw new CommandError('There is no rollout');
  return { subject, forecast: found, lacking, distributionSeconds, fetchSeconds, paused: asked.paused };
}

function durationsOf({ scene, madeUp }: Subject, { upgrade }: Times, os: string): Durations {
  return upgrade ?? (madeUp ? assumedDurations : measureDurations(scene.containers, os));
}

/** What a user says of the usual time, with bounds around it. */
export const durationsAround = (seconds: number): Durations => ({
  least: seconds / 2,
  typical: seconds,
  most: seconds * 2,
  measured: 0,
});

function nodesLacking({ distribution, nodes, scene }: Subject, image: ReturnType<typeof assumeReady>) {
  const stores = new Map(scene.nodeStores.map((store) => [store.metadata.name, store]));
  const selected = selectedNodes(distribution, image, nodes);
  const lacking = selected.filter(({ metadata }) => storedImage(stores.get(metadata.name), image)?.state !== 'Ready');
  return { lacking: lacking.length, total: selected.length };
}

/** One that no rollout has looked at yet follows the default version that it runs: its own controller assigns it that. */
const following = (
  containers: readonly HostedContainer[],
  os: string,
  version: string | undefined,
): HostedContainer[] =>
  containers
    .filter(({ spec }) => spec.image === os)
    .map((it) => {
      const { assignedImage, lastKnownGoodImage: good } = it.status ?? {};
      const isUnassigned = assignedImage === undefined && good !== undefined && version !== undefined;
      return isUnassigned ? { ...it, status: { ...it.status, assignedImage: good } } : it;
    });
