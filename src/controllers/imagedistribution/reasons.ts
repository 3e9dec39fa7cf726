import type { RolloutReason } from './rollout/observed.ts';
import type { End } from '../ends.ts';

/** Every reason in a condition of an ImageDistribution, and how the state that it names ends. Who ends it is in docs/api. */
export const reasons = {
  // Distributed
  AllNodes: 'Done',
  InProgress: 'Waiting',
  NodesUnreachable: 'Waiting',
  NodesFailed: 'Person',
  EmptySelector: 'Person',
  NoNodes: 'Person',
  UnknownImage: 'Person',
  ImageNotBuilt: 'Depends',
  ImageNotVerified: 'Depends',
  ImageNotPublished: 'Depends',
  // Activated
  NewContainers: 'Done',
  NotRequested: 'Done',
  WaitingForNodes: 'Waiting',
  WaitingForOther: 'Waiting',
  // RolledOut
  RolledOut: 'Done',
  RollingOut: 'Waiting',
  OutsideWindow: 'Wanted',
  InvalidWindow: 'Person',
  Paused: 'Wanted',
  ContainersStuck: 'Person',
  RolloutHalted: 'Person',
  ImageCondemned: 'Person',
  ImageNotReady: 'Depends',
  NotActivated: 'Depends',
  NotDistributed: 'Depends',
  Superseded: 'Done',
  OtherHalted: 'Done',
  // RolloutHalted
  TooManyFailures: 'Person',
  GateFailed: 'Person',
  NotHalted: 'Done',
  // Stalled and Reconciling
  Settled: 'Done',
} as const satisfies Record<RolloutReason, End> & Record<string, End>;

/** One that the table lacks is waited for; a test finds that. */
export const endOf = (reason: string): End =>
  Object.hasOwn(reasons, reason) ? reasons[reason as keyof typeof reasons] : 'Waiting';
