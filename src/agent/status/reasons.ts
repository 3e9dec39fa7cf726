/**
 * Every reason in a condition of a NodeStore, and how the state that it names ends: `Waiting`, the agent is at work on it or tries
 * again: Reconciling; `Person`, only a person ends it: Stalled.
 */
export const reasons = {
  AllStored: 'Done',
  Done: 'Done',
  Fetching: 'Waiting',
  Deleting: 'Waiting',
  FetchRetrying: 'Waiting',
  Queued: 'Waiting',
  DigestConflict: 'Waiting',
  BrokenEntry: 'Waiting',
  TreeChanged: 'Waiting',
  RemovalRetrying: 'Waiting',
  RemovalFailed: 'Person',
  FetchFailed: 'Person',
  TooManyImages: 'Person',
} as const satisfies Record<string, End>;

type End = 'Done' | 'Waiting' | 'Person';

/** One that the table lacks is waited for; a test finds that. */
export const endOf = (reason: string): End =>
  Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : 'Waiting';
