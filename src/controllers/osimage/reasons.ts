import type { Progress } from '../../runtime/conditions.ts';
import { needsPerson } from '../ends.ts';
import type { End } from '../ends.ts';

/**
 * Every reason in a condition of an OSImage but those that builders and agents give, and how the state that it names ends. What a
 * build or a node has failed with is for a person.
 */
export const reasons = {
  // Accepted
  Valid: 'Done',
  SecretInDefaults: 'Done',
  // Built, Verified, Published
  Pushed: 'Done',
  Building: 'Waiting',
  BuildFailed: 'Person',
  JobRefused: 'Person',
  Passed: 'Done',
  WaitingForBuild: 'Waiting',
  WaitingForNode: 'Waiting',
  Fetching: 'Waiting',
  Running: 'Waiting',
  Failed: 'Person',
  TimedOut: 'Person',
  PodRefused: 'Person',
  ExternalSource: 'Done',
  Published: 'Done',
  WaitingForVerification: 'Waiting',
  Publishing: 'Waiting',
  PublishFailed: 'Person',
  // Consistent
  Agreed: 'Done',
  NodesDiffer: 'Done',
  // LayoutComplete
  AllMounted: 'Done',
  PartsMissing: 'Done',
  OverlayTooSmall: 'Done',
  // Condemned
  Condemned: 'Done',
  NotCondemned: 'Done',
  // Ready
  Stored: 'Done',
  NotDistributed: 'Wanted',
  NoNodes: 'Person',
  Distributing: 'Waiting',
  // Stalled and Reconciling
  Settled: 'Done',
} as const satisfies Record<string, End>;

/** What it means for Reconciling and Stalled. */
export function progressOf(reason: string): Progress {
  const end: End = Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : 'Person';
  if (needsPerson(end)) return 'Failed';
  return end === 'Waiting' ? 'Going' : 'Done';
}
