import type { ImageDistribution, ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Observed as RolloutObserved, RolloutPlan } from './rollout/observed.ts';

export interface Observed {
  distribution: ImageDistribution;
  /** The image that it names, if that exists. */
  image: OSImage | undefined;
  find: (os: string, version: string) => OSImage | undefined;
  nodes: readonly Node[];
  stores: ReadonlyMap<string, NodeStore>;
  now: Date;
  /** What the rollout to existing containers is decided by. */
  fleet: Pick<RolloutObserved, 'distributions' | 'containers' | 'window' | 'answers'>;
}

export interface Plan {
  status: ImageDistributionStatus;
  /** Unset when it moves no existing containers. */
  rollout: RolloutPlan | undefined;
}
