import type { Observed } from './observed.ts';
import type { Target } from './target.ts';
import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';

/** Why the next Pod is not made yet. */
export interface Blocker {
  reason:
    | 'InvalidSpec'
    | 'SoftwareNotReady'
    | 'DataUnavailable'
    | 'WaitingForNode'
    | 'WaitingForDistribution'
    | 'PodForbidden'
    | 'PodConflict'
    | 'Interrupted';
  message: string;
  /** Of a reason that depends: something is at work on it. */
  waits?: boolean;
  /** Of the wait for a distribution: its end, which the status keeps. */
  firstStartDeadline?: string;
}

/** What the conditions are computed from: what was seen, and the status as this run leaves it. */
export interface Input {
  observed: Observed;
  target: Target;
  blocker?: Blocker | undefined;
  status: HostedContainerStatus;
}
