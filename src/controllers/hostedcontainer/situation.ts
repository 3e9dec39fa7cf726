import type { Observed } from './observed.ts';
import type { Course } from './target.ts';
import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import type { Reason } from './reasons.ts';

/** Why the next Pod is not made yet. */
export interface Hindrance {
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
export interface Situation {
  observed: Observed;
  course: Course;
  hindrance?: Hindrance | undefined;
  status: HostedContainerStatus;
}

export type Stated = Omit<NewCondition, 'observedGeneration' | 'reason'> & { reason: Reason };
