import type { End } from '../ends.ts';

/** Every reason in a condition of a HostedContainer, and how the state that it names ends. Who ends it is in docs/api. */
export const reasons = {
  // ImageResolved
  Exact: 'Done',
  DefaultVersion: 'Done',
  FallbackToDefault: 'Done',
  UnknownImage: 'Person',
  ImageNotReady: 'Depends',
  ImageCondemned: 'Person',
  NoDefaultVersion: 'Depends',
  // Upgraded
  UpToDate: 'Done',
  Reverted: 'Done',
  InProgress: 'Waiting',
  ImageNotResolved: 'Depends',
  Interrupted: 'Waiting',
  WaitingForNode: 'Depends',
  WaitingForDistribution: 'Waiting',
  SoftwareNotReady: 'Depends',
  DataUnavailable: 'Person',
  InvalidSpec: 'Person',
  PodForbidden: 'Person',
  PodConflict: 'Person',
  FailedBefore: 'Person',
  Held: 'Person',
  Failed: 'Person',
  Suspended: 'Wanted',
  // Ready
  Running: 'Done',
  Starting: 'Waiting',
  PodPending: 'Waiting',
  Restarting: 'Waiting',
  NodeUnreachable: 'Waiting',
  NodeLost: 'Person',
  CrashLooping: 'Person',
  // Ready: what launch says
  MountScriptFailed: 'Person',
  NoMounts: 'Waiting',
  DefaultsTooLarge: 'Person',
  DefaultsFailed: 'Person',
  UnknownUser: 'Person',
  CommandNotFound: 'Person',
  NoSupervisor: 'Person',
  NoServiceDirectory: 'Person',
  InvalidTimeZone: 'Person',
  LaunchFailed: 'Person',
  // Ready: what the kubelet says
  CreateContainerConfigError: 'Person',
  CreateContainerError: 'Person',
  RunContainerError: 'Person',
  InvalidImageName: 'Person',
  // Permitted
  NotPermitted: 'Person',
  // Stalled and Reconciling
  WriteFailed: 'Waiting',
  NotStalled: 'Done',
  Settled: 'Done',
} as const satisfies Record<string, End>;

export type Reason = keyof typeof reasons;

export const isReason = (reason: string): reason is Reason => Object.hasOwn(reasons, reason);

export const endOf = (reason: Reason): End => reasons[reason];
