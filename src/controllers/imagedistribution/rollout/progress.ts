import type { Followers, Follower } from './fleet.ts';
import { readyOf } from './observed.ts';

const tally = ({ all, awake }: Followers) => ({
  following: all.length,
  updated: all.filter(({ state }) => state === 'Updated').length,
  moving: awake.filter(({ state }) => state === 'Moving').length,
  reverted: all.filter(({ state }) => state === 'Reverted').length,
  suspended: all.filter(({ state, suspended }) => suspended && state === 'Moving').length,
});

/** How far it has come. */
export function progress(fleet: Followers, image: string): string {
  const { following, updated, moving, reverted, suspended } = tally(fleet);
  const parts = [
    `${updated} of ${following} containers run ${image}`,
    ...(moving > 0 ? [`${moving} are on their way`] : []),
    ...(suspended > 0 ? [`${suspended} are suspended and will start on it`] : []),
    ...(reverted > 0 ? [`${reverted} went back`] : []),
  ];
  return parts.join(', ');
}

/** The first of them, and what it says of itself. */
export function example([first]: readonly Follower[]): string {
  if (!first) return '';
  const { status } = first.container;
  const upgraded = status?.conditions?.find(({ type }) => type === 'Upgraded');
  const waits = upgraded?.status === 'Unknown' ? upgraded : readyOf(first.container);
  return `${first.name} (${waits?.reason ?? 'not seen yet'})`;
}
