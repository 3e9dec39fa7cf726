import type { HostedContainer } from '../../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../../api/imagedistribution.ts';
import type { OSImage } from '../../../api/osimage.ts';
import type { ExistingContainers, Gate, RolloutStatus } from '../../../api/rollout.ts';
import type { Condition } from '../../../runtime/conditions.ts';

/** What a gate has answered just now. */
export interface GateAnswer {
  name: string;
  holds: boolean;
  message: string;
}

/** Everything that the rollout of one distribution is decided by. */
export interface Observed {
  distribution: ImageDistribution;
  /** All, of every OS: of those of one OS only one moves containers. */
  distributions: readonly ImageDistribution[];
  /** At least those that follow the default version of its OS, as they are after all that this rollout has written. */
  containers: readonly HostedContainer[];
  find: (os: string, version: string) => OSImage | undefined;
  /** All selected nodes have the image. */
  distributed: boolean;
  window: { open: boolean; changeTime?: Date | undefined; problem?: string | undefined };
  answers: readonly GateAnswer[];
  now: Date;
}

/** One container goes to another version. */
export interface Assignment {
  container: HostedContainer;
  image: string;
  time: string;
  retryToken: string;
  /** The container was not available at this moment: that it fails says nothing of the image. */
  whileUnavailable?: boolean;
  /** It gets its earlier version back, because it could not take the image of the rollout. */
  back?: boolean;
}

export interface Counts {
  following: number;
  updated: number;
  updating: number;
  reverted: number;
  unavailable: number;
}

/** In one word how the rollout stands. `Superseded` and `OtherHalted`: it is for another distribution to move containers. */
export type RolloutReason =
  | 'RolledOut'
  | 'RollingOut'
  | 'ContainersStuck'
  | 'Paused'
  | 'OutsideWindow'
  | 'InvalidWindow'
  | 'RolloutHalted'
  | 'Superseded'
  | 'OtherHalted'
  | 'EmptySelector'
  | 'NotActivated'
  | 'NotDistributed'
  | 'ImageNotReady'
  | 'ImageCondemned';

export interface RolloutPlan {
  /** Ask these and plan again with the answers; the rest of the plan is void. */
  queries: readonly Gate[];
  /** These are moved now; the rollout with its start time is stored already. */
  assign: readonly Assignment[];
  /** Evidence to be written to the OSImage before the status says that the rollout is halted. */
  condemn?: string;
  counts: Counts;
  rollout: RolloutStatus | undefined;
  reason: RolloutReason;
  message: string;
  /** When it must be planned again even if nothing changes. */
  requeueTime?: Date;
}

/** The rollout as a rule sees it: under way, or about to be. */
export interface Input {
  observed: Observed;
  spec: ExistingContainers;
  rollout: RolloutStatus;
}

/** What one rule decides; what it does not say stays as it is. */
export interface Decision {
  queries?: readonly Gate[];
  assign?: readonly Assignment[];
  condemn?: string;
  rollout?: RolloutStatus | undefined;
  reason: RolloutReason;
  message: string;
  requeueTime?: Date;
}

export const readyOf = (container: HostedContainer): Condition | undefined =>
  container.status?.conditions?.find(({ type }) => type === 'Ready');
