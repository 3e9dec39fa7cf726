import type { FailedImage, HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { RolloutStatus } from '../../api/rollout.ts';
import { fingerprint } from '../../pod/fingerprint.ts';
import { imageName, parseReference, usableImage } from '../../pod/image.ts';
import type { UsableImage } from '../../pod/image.ts';
import { moves } from '../catalog.ts';
import { permittedByName, withSoftware } from '../hostedcontainer/images.ts';
import { readyOf } from './observed.ts';
import type { Counts, Observed } from './observed.ts';

/**
 * How one follower stands with the image. `Waiting`: it runs something else and is to be moved. `Moving`: it was moved and is
 * not good yet. `Leaving`: it runs it well and was sent back; it is moved again when that has an end, because until then its
 * status does not tell what has become of its Pod. `Reverted`: it failed and went back, or goes. `Failed`: it failed and has nothing to go back to. `New`: it has
 * never been good on anything, so nobody has moved it.
 */
export type State = 'Waiting' | 'Moving' | 'Leaving' | 'Updated' | 'Reverted' | 'Failed' | 'New';

export interface Follower {
  container: HostedContainer;
  /** `<namespace>/<name>`. */
  name: string;
  state: State;
  /** Ready, on its last known good version, and not on its way to another: moving it makes one more unavailable. */
  available: boolean;
  suspended: boolean;
  /** This rollout has moved it to the image. */
  moved: boolean;
  /** Its failure with the image. */
  failure?: FailedImage | undefined;
}

/** All followers that a distribution selects, in their order. */
export interface Fleet {
  image: string;
  all: readonly Follower[];
  /** Without those that are suspended: these cost nobody anything, and prove nothing. */
  awake: readonly Follower[];
}

export function fleetOf(o: Observed, rollout: RolloutStatus | undefined, retryToken: string): Fleet {
  const { distribution, containers } = o;
  const image = distribution.spec.image;
  const { os, version = '' } = parseReference(image);
  const object = o.find(os, version);
  const usable = object && usableImage(object);
  const since = rollout?.image === image ? rollout.startTime : undefined;
  const all = followersOf(distribution, containers)
    .map((container) => follower(container, image, since, usable && failureOf(o, container, usable, retryToken)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { image, all, awake: all.filter(({ suspended }) => !suspended) };
}

/** Those who ask for the OS without a version, are selected, and stay. */
function followersOf(distribution: ImageDistribution, containers: readonly HostedContainer[]): HostedContainer[] {
  const { os } = parseReference(distribution.spec.image);
  return containers.filter(
    (it) => it.spec.image === os && it.metadata.deletionTimestamp === undefined && moves(distribution, it),
  );
}

function follower(
  container: HostedContainer,
  image: string,
  since: string | undefined,
  failure: FailedImage | undefined,
): Follower {
  const { metadata, spec, status = {} } = container;
  const { lastKnownGoodImage: good, assignedImage: assigned, assignedTime } = status;
  const state = stateOf(container, image, failure);
  const arrived = assigned === good || state === 'Reverted';
  return {
    container,
    name: `${metadata.namespace ?? ''}/${metadata.name}`,
    state,
    available: readyOf(container)?.status === 'True' && good !== undefined && status.image === good && arrived,
    suspended: spec.suspend,
    moved: assigned === image && assignedTime !== undefined && since !== undefined && assignedTime >= since,
    failure,
  };
}

function stateOf({ status = {} }: HostedContainer, image: string, failure: FailedImage | undefined): State {
  const { lastKnownGoodImage: good, assignedImage: assigned } = status;
  if (assigned === image && good === image) return 'Updated';
  if (failure && good !== image) return good === undefined ? 'Failed' : 'Reverted';
  if (good === image && assigned !== undefined) return 'Leaving';
  if (assigned === undefined || (assigned === image && good === undefined)) return 'New';
  return assigned === image ? 'Moving' : 'Waiting';
}

/** What the container remembers of the image in the shape in which it would try it now: it would not try it again. */
export function failureOf(
  { find }: Pick<Observed, 'find'>,
  container: HostedContainer,
  image: UsableImage,
  retryToken: string,
): FailedImage | undefined {
  const ledger = (container.status?.failedImages ?? []).filter(
    (it) => it.image === imageName(image) && it.digest === image.digest,
  );
  if (ledger.length === 0) return undefined;
  const asked = { ...container, status: { ...container.status, assignedRetryToken: retryToken } };
  const print = fingerprint(asked, withSoftware(container, { find }, image));
  return ledger.find((it) => it.fingerprint === print);
}

/** The version that a container ran well before the image, if it can run it again. */
export function earlierImage(o: Pick<Observed, 'find'>, { container }: Follower, image: string, token: string) {
  for (const entry of container.status?.history ?? []) {
    if (entry.image === image || entry.outcome !== 'Succeeded') continue;
    if (parseReference(entry.image).os !== container.spec.image) continue;
    const usable = permittedByName(container, o, entry.image);
    if (usable && !failureOf(o, container, usable, token)) return entry.image;
  }
  return undefined;
}

/** Those that failed and went back. What has never run anything well says nothing about the image. */
export const revertedOf = (fleet: Fleet): Follower[] => fleet.all.filter(({ state }) => state === 'Reverted');

export function countsOf({ image, all, awake }: Fleet): Counts {
  const those = (state: State) => all.filter((it) => it.state === state).length;
  const starting = awake.filter((it) => it.state === 'New' && it.container.status?.assignedImage === image).length;
  return {
    following: all.length,
    updated: those('Updated'),
    updating: awake.filter((it) => it.state === 'Moving').length + starting,
    reverted: those('Reverted'),
    unavailable: awake.filter(({ container }) => readyOf(container)?.status !== 'True').length,
  };
}
