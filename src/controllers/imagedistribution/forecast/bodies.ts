import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import type { Follower } from '../rollout/fleet.ts';

/** What happens next to a container, and when: milliseconds since 1970. */
export interface Next {
  time: number;
  what: 'arrives' | 'fails' | 'recovers';
}

/** One container of a simulation. */
export interface Body {
  /** `<namespace>/<name>`. */
  name: string;
  container: HostedContainer;
  suspended: boolean;
  /** It runs the image well. */
  done: boolean;
  /** It is well on another image, and was not moved yet. */
  untouched: boolean;
  /** It is down now, for a reason of its own. */
  ill: boolean;
  next?: Next | undefined;
}

/** How long things take, and how they end. */
export interface Lives {
  /** From being moved to counting as good: its Pod stops, starts, and is Ready for `minReadySeconds`. */
  upgradeSeconds: (container: HostedContainer) => number;
  /** From being moved to being given up. */
  failureSeconds: (container: HostedContainer) => number;
  /** How many of those that are moved first fail. */
  failing: number;
  /** Those that are down now come back, by themselves or with the image; otherwise they stay down and fail with it. */
  heals: boolean;
}

const isAtGate = ({ status }: HostedContainer): boolean => {
  const upgraded = status?.conditions?.find(({ type }) => type === 'Upgraded');
  return upgraded?.status === 'Unknown' && upgraded.reason !== 'InProgress';
};

/** A container as it is at the beginning: one that is on its way, or comes back from a failure, is expected to be there in time. */
export function bodyOf(follower: Follower, lives: Lives, now: Date): Body {
  const { container, name, state, available, suspended } = follower;
  const next = nextOf(follower, lives, now);
  return {
    name,
    container,
    suspended,
    done: state === 'Updated' && available,
    untouched: state === 'Waiting' && available,
    ill: state !== 'Moving' && state !== 'Leaving' && !available && next?.what !== 'arrives',
    next,
  };
}

function nextOf(follower: Follower, { upgradeSeconds, heals }: Lives, now: Date): Next | undefined {
  const { container, available, suspended } = follower;
  const { assignedImage: assigned, assignedTime = '', lastKnownGoodImage: good } = container.status ?? {};
  if (suspended || available || good === undefined || isAtGate(container)) return undefined;
  const milliseconds = upgradeSeconds(container) * 1000;
  if (assigned !== undefined && assigned !== good) {
    const time = Math.max((Date.parse(assignedTime) || 0) + milliseconds, now.getTime() + 1000);
    return { time, what: 'arrives' };
  }
  return comesBack(follower, heals) ? { time: now.getTime() + milliseconds, what: 'recovers' } : undefined;
}

/** One that has failed, and was well before, is on its way back; one that is down with the image may heal. */
function comesBack({ state, failure }: Follower, heals: boolean): boolean {
  if (state === 'Reverted') return failure?.unavailableBefore !== true || heals;
  return state === 'Updated' && heals;
}

/**
 * The containers that the planner has to see to decide as it would over all. After the canaries it needs neither those that are
 * done, but for the wave that is soaking, nor more of those that wait their turn than could go at once. The numbers of `spec`
 * must be no percentages then. A test compares both.
 */
export function inSight(bodies: readonly Body[], { spec, status }: ImageDistribution, most: number): HostedContainer[] {
  const rollout = status?.rollout;
  const isAll =
    rollout?.image !== spec.image ||
    rollout.wave === 0 ||
    rollout.haltTime !== undefined ||
    rollout.completionTime !== undefined;
  if (isAll) return bodies.map(({ container }) => container);
  const since = rollout.waveStartTime ?? rollout.startTime;
  let waiting = 0;
  return bodies.flatMap(({ container, done, untouched, suspended }) => {
    if (suspended) return [container];
    if (done && (container.status?.assignedTime ?? '') < since) return [];
    if (done && (spec.activate.existingContainers?.waveSoakSeconds ?? 0) === 0) return [];
    if (untouched && waiting++ >= most) return [];
    return [container];
  });
}
