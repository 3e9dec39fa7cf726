import type { FailedImage, HostedContainer } from '../../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import type { RolloutStatus } from '../../../api/rollout.ts';
import { fingerprint } from '../../../pod/fingerprint.ts';
import { imageName, parseReference } from '../../../api/images.ts';
import { usableImage } from '../../../pod/usable-image.ts';
import type { UsableImage } from '../../../pod/usable-image.ts';
import { moves } from '../../default-version.ts';
import { permittedByName, withSoftware } from '../../hostedcontainer/images.ts';
import { isLastKnownGood } from '../../hostedcontainer/last-known-good.ts';
import { readyOf } from './observed.ts';
import type { Counts, Observed } from './observed.ts';
import { isSuspended } from '../../../pod/suspended.ts';
import { firstHit } from '../../../runtime/rules.ts';

/**
 * How one follower stands with the image. `Waiting`: it runs something else and is to be moved. `Moving`: it was moved and is
 * not good yet. `Blocked`: it was moved, could not take the image, and got its earlier version back until it is tried again.
 * `Leaving`: it runs it well and was sent back; it is moved again when that has an end, because until then its status does not
 * tell what has become of its Pod. `Reverted`: it failed and went back, or goes. `Failed`: it failed and has nothing to go back
 * to. `New`: it has never been good on anything, so no one has moved it.
 */
export type State = 'Waiting' | 'Moving' | 'Blocked' | 'Leaving' | 'Updated' | 'Reverted' | 'Failed' | 'New';

export interface Follower {
  container: HostedContainer;
  /** `<namespace>/<name>`. */
  name: string;
  state: State;
  /** Ready, on its last known good version, and not on its way to another: moving it makes one more unavailable. */
  available: boolean;
  /** It has been available for long enough to blame its image for what comes next. */
  steady: boolean;
  suspended: boolean;
  /** This rollout has moved it to the image. */
  moved: boolean;
  /** Its failure with the image. */
  failure?: FailedImage | undefined;
}

/** All followers that a distribution selects, in their order. */
export interface Followers {
  image: string;
  all: readonly Follower[];
  /** Without those that are suspended: these cost no one anything, and prove nothing. */
  awake: readonly Follower[];
}

/** What the state of a follower follows from, besides itself. */
interface FleetInput {
  o: Observed;
  image: string;
  usable: UsableImage | undefined;
  /** When the rollout began, if it has. */
  since: string | undefined;
  retryToken: string;
}

export function fleetOf(o: Observed, rollout: RolloutStatus | undefined, retryToken: string): Followers {
  const { distribution, containers } = o;
  const image = distribution.spec.image;
  const { os, version = '' } = parseReference(image);
  const object = o.find(os, version);
  const since = rollout?.image === image ? rollout.startTime : undefined;
  const input = { o, image, usable: object && usableImage(object), since, retryToken };
  const all = followersOf(distribution, containers)
    .map((container) => follower(container, input))
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

function follower(container: HostedContainer, input: FleetInput): Follower {
  const { o, image, usable, since, retryToken } = input;
  const { metadata, status = {} } = container;
  const { lastKnownGoodImage: good, assignedImage: assigned, assignedTime } = status;
  const failure = usable && failureOf(o, container, usable, retryToken);
  const state = stateOf(container, failure, input);
  const arrived = state === 'Updated' || state === 'Reverted' || (state !== 'Moving' && assigned === good);
  const available = readyOf(container)?.status === 'True' && good !== undefined && status.image === good && arrived;
  return {
    container,
    name: `${metadata.namespace ?? ''}/${metadata.name}`,
    state,
    available,
    steady: available && readySeconds(container, o.now) >= steadySeconds(container),
    suspended: isSuspended(container),
    moved: assigned === image && isSince(assignedTime, since),
    failure,
  };
}

interface Subject extends FleetInput {
  container: HostedContainer;
  good: string | undefined;
  /** It has run just these bytes well: another archive under the same name is another image. */
  isGood: boolean;
  assigned: string | undefined;
  failure: FailedImage | undefined;
}
type StateRule = (subject: Subject) => State | undefined;

const runsItWell: StateRule = ({ image, isGood, assigned }) => (assigned === image && isGood ? 'Updated' : undefined);

const hasFailed: StateRule = ({ good, isGood, failure }) => {
  if (!failure || isGood) return undefined;
  return good === undefined ? 'Failed' : 'Reverted';
};

const wasNeverMoved: StateRule = ({ image, good, assigned }) =>
  assigned === undefined || (assigned === image && good === undefined) ? 'New' : undefined;

const wasMoved: StateRule = ({ image, assigned }) => (assigned === image ? 'Moving' : undefined);

/** Sent to what it cannot run, it goes nowhere: then it is moved again. */
const wasSentBack: StateRule = ({ o, container, isGood, assigned = '' }) =>
  isGood && canRun(o, container, assigned, container.status?.assignedRetryToken ?? '') ? 'Leaving' : undefined;

const couldNotTakeIt: StateRule = ({ container: { status = {} }, isGood, since, retryToken }) => {
  const isBack = status.assignedBack === true && !isGood && isSince(status.assignedTime, since);
  return isBack && (status.assignedRetryToken ?? '') === retryToken ? 'Blocked' : undefined;
};

/** First hit wins. */
const stateRules: readonly StateRule[] = [runsItWell, hasFailed, wasNeverMoved, wasMoved, wasSentBack, couldNotTakeIt];

function stateOf(container: HostedContainer, failure: FailedImage | undefined, input: FleetInput): State {
  const { status = {} } = container;
  const { lastKnownGoodImage: good, assignedImage: assigned } = status;
  const isGood = input.usable ? isLastKnownGood(status, input.usable) : good === input.image;
  const subject = { ...input, container, good, isGood, assigned, failure };
  return firstHit(stateRules, subject) ?? 'Waiting';
}

const isSince = (time: string | undefined, since: string | undefined): boolean =>
  time !== undefined && since !== undefined && time >= since;

/** How long it has been Ready; by the clock of the leader that saw it become so. */
const readySeconds = (container: HostedContainer, now: Date): number =>
  (now.getTime() - Date.parse(readyOf(container)?.lastTransitionTime ?? now.toISOString())) / 1000;

/** One that has restarted may be Ready between two crashes: the pauses between them are not longer than its deadline. */
function steadySeconds({ spec, status }: HostedContainer): number {
  const { minReadySeconds, progressDeadlineSeconds } = spec.upgrade;
  return (status?.restarts ?? 0) > 0 ? progressDeadlineSeconds : minReadySeconds;
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

/** Would the container run the image if it were assigned it? By the same rules as the controller of containers. */
export function canRun(
  o: Pick<Observed, 'find'>,
  container: HostedContainer,
  name: string,
  retryToken: string,
): boolean {
  const usable = permittedByName(container, o, name);
  return usable !== undefined && !failureOf(o, container, usable, retryToken);
}

/** The version that a container ran well before the image, if it can run it again. */
export function earlierImage(o: Pick<Observed, 'find'>, { container }: Follower, image: string, token: string) {
  const { lastKnownGoodImage: good, history = [] } = container.status ?? {};
  const ran = history.filter(({ outcome }) => outcome === 'Succeeded').map((entry) => entry.image);
  return [...(good === undefined ? [] : [good]), ...ran].find(
    (it) => it !== image && parseReference(it).os === container.spec.image && canRun(o, container, it, token),
  );
}

/** Those that failed and went back. */
export const revertedOf = (fleet: Followers): Follower[] => fleet.all.filter(({ state }) => state === 'Reverted');

/** What failed with the image says something about it only if it was well before. */
export const evidenceOf = (fleet: Followers): Follower[] =>
  revertedOf(fleet).filter(({ failure }) => failure?.unavailableBefore !== true);

/**
 * It is down, and not because of this rollout: it has never been good on anything, or it was down before it was moved and failed
 * then too. The rollout can neither help it nor harm it.
 */
export const isBrokenAnyway = ({ state, available, container, failure }: Follower): boolean =>
  !available &&
  (container.status?.lastKnownGoodImage === undefined || (state === 'Reverted' && failure?.unavailableBefore === true));

export function countsOf({ image, all, awake }: Followers): Counts {
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
