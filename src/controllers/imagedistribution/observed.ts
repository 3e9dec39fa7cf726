import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Gate } from '../../api/rollout.ts';
import type { Plan as PlanOf } from '../../runtime/plan.ts';
import type { GateQuestion } from './rollout/gates/gates.ts';
import type { Assignment, Observed as RolloutObserved } from './rollout/observed.ts';

export interface Observed {
  distribution: ImageDistribution;
  /** The image that it names, if that exists. */
  image: OSImage | undefined;
  find: (os: string, version: string) => OSImage | undefined;
  nodes: readonly Node[];
  stores: ReadonlyMap<string, NodeStore>;
  now: Date;
  /** Milliseconds before which numbers of containers alone should not be written; 0 when they may be. */
  countsWaitMilliseconds?: number;
  /** Milliseconds before which the end of a rollout should not be estimated again; 0 when it may be. */
  estimateWaitMilliseconds?: number;
  /** What the rollout to existing containers is decided by. */
  fleet: Pick<RolloutObserved, 'distributions' | 'containers' | 'window' | 'answers'>;
}

/** Ask this gate about this state of the rollout. */
export interface GateQuery {
  gate: Gate;
  question: GateQuestion;
}

export type Action =
  /** Evidence is written to the OSImage. */
  | { type: 'Condemn'; image: OSImage; evidence: string; required: true }
  /** Containers are moved. */
  | { type: 'Assign'; assignments: readonly Assignment[] };

export type Plan = PlanOf<ImageDistributionStatus, Action, GateQuery>;
