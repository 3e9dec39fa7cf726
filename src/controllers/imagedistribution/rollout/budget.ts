import { isBrokenAnyway } from './fleet.ts';
import type { Followers, Follower } from './fleet.ts';

/** How many containers may become unavailable now. */
export interface DisruptionBudget {
  /** Most that may be unavailable at once. */
  most: number;
  /** Those that are: not Ready for whatever reason, or moved and not yet back; without those that are broken anyway. */
  down: readonly Follower[];
  free: number;
}

/** A number, or a percentage of `total`; `round` says what a part of one is. */
export function amount(value: number | string, total: number, round: (part: number) => number): number {
  return typeof value === 'number' ? value : round((total * Number(value.replace('%', ''))) / 100);
}

/** A percentage is rounded down, but to at least one: otherwise a small fleet would never move. */
export function budgetOf({ awake }: Followers, maxUnavailable: number | string): DisruptionBudget {
  const most = Math.max(1, amount(maxUnavailable, awake.length, Math.floor));
  const down = awake.filter((it) => !it.available && !isBrokenAnyway(it));
  return { most, down, free: most - down.length };
}

/** Of the candidates, in their order, those that may go now without more being unavailable than may be. */
export const withinBudget = (candidates: readonly Follower[], { free }: DisruptionBudget): Follower[] =>
  candidates.filter(({ available }) => available).slice(0, Math.max(0, free));

/**
 * Those that are unavailable already. They come last, or when they themselves use up the budget: moving them makes no one else
 * unavailable, and may be what fixes them. No more at once than may be unavailable.
 */
export function alreadyUnavailable(
  candidates: readonly Follower[],
  fleet: Followers,
  { most }: DisruptionBudget,
): Follower[] {
  const onTheWay = fleet.awake.filter(({ state }) => state === 'Moving').length;
  return candidates.filter(({ available }) => !available).slice(0, Math.max(0, most - onTheWay));
}
