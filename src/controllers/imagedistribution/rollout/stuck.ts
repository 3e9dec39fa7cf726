import type { RolloutStatus } from '../../../api/rollout.ts';
import { earlierImage } from './fleet.ts';
import type { Followers, Follower } from './fleet.ts';
import { readyOf } from './observed.ts';
import type { Assignment, Input } from './observed.ts';

/**
 * Containers that hold a rollout up. One that cannot take the image gets its earlier version back, so that it takes no place,
 * and is tried again with growing pauses. One that stays down for other reasons is for a person.
 */

const longestPauseSeconds = 3600;

/** Its own controller says that it cannot go to the image yet: it keeps what it runs. */
function isAtGate({ container }: Follower): boolean {
  const upgraded = container.status?.conditions?.find(({ type }) => type === 'Upgraded');
  return upgraded?.status === 'Unknown' && upgraded.reason !== 'InProgress';
}

const deadlineOf = ({ container }: Follower): number => container.spec.upgrade.progressDeadlineSeconds * 1000;
const assignedAt = ({ container }: Follower): number => Date.parse(container.status?.assignedTime ?? '') || 0;

/** When it gets its earlier version back; Infinity while nothing blocks it. */
export const giveBackTime = (it: Follower): number =>
  it.state === 'Moving' && isAtGate(it) ? assignedAt(it) + deadlineOf(it) : Infinity;

/** Those that were moved, and could not take the image for as long as an attempt may last, get their earlier version back. */
export function givenBack({ observed, spec, rollout }: Input, fleet: Followers): Assignment[] {
  const time = timeOf(observed.now, rollout);
  return fleet.awake.flatMap((it) => {
    if (giveBackTime(it) > observed.now.getTime()) return [];
    const image = earlierImage(observed, it, fleet.image, spec.retryToken);
    return image === undefined
      ? []
      : [{ container: it.container, image, time, retryToken: spec.retryToken, back: true }];
  });
}

/** When one that could not take the image is tried again: each pause is as long as the rollout has taken so far. */
export function retryTime(it: Follower, { startTime }: RolloutStatus): number {
  const tried = assignedAt(it) - Date.parse(startTime);
  return assignedAt(it) + Math.min(longestPauseSeconds * 1000, Math.max(deadlineOf(it), tried));
}

/**
 * When a rollout begins: after everything that was ever assigned, whatever the clocks of earlier leaders said. So those that it
 * moves are told from the others without comparing two clocks.
 */
export function startOf(now: Date, { all }: Followers): string {
  const last = Math.max(0, ...all.map(assignedAt));
  return new Date(Math.max(now.getTime(), last + 1)).toISOString();
}

/** Never before the start, whatever the clock of an earlier leader said: that is how the moved are told from the others. */
export function timeOf(now: Date, { startTime }: RolloutStatus): string {
  const time = now.toISOString();
  return time < startTime ? startTime : time;
}

/** When no one can say any more that waiting for this one helps: it has been down for longer than two attempts may last. */
export function hopelessTime(it: Follower): number {
  const changed = Date.parse(readyOf(it.container)?.lastTransitionTime ?? '') || 0;
  return Math.max(changed, assignedAt(it)) + 2 * deadlineOf(it);
}

/** All that is left could not take the image, or is just being tried again. */
export function isBlocked(rest: readonly Follower[], { blockedTime }: RolloutStatus): boolean {
  if (rest.length === 0) return false;
  const isRetried = (it: Follower) => blockedTime !== undefined && assignedAt(it) >= Date.parse(blockedTime);
  return rest.every((it) => it.state === 'Blocked' || (it.state === 'Moving' && isRetried(it)));
}
