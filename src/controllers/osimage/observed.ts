import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import type { MountMode } from '../../pod/mode.ts';
import type { Scaffolds } from '../../pod/pod.ts';
import type { SeenJob } from '../caches.ts';
import type { ConfigMap, Job, Node, Pod } from '../../api/kubernetes/objects.ts';
import type { NewCondition, Progress } from '../../runtime/conditions.ts';
import type { KubeObject } from '../../runtime/object.ts';
import type { Plan as PlanOf } from '../../runtime/plan.ts';
import { truncateStart } from '../../runtime/text.ts';

export interface Settings extends JobSettings {
  /** Where images are tested. */
  verificationNamespace: string;
}

/** Everything that the plan looks at. */
export interface Observed {
  image: OSImage;
  distributions: readonly ImageDistribution[];
  nodes: readonly Node[];
  stores: readonly NodeStore[];
  /** Of this image, of whatever try. */
  jobs: readonly SeenJob[];
  /** Those that test this image, and those of its Jobs. */
  pods: readonly Pod[];
  settings: Settings;
  /** The Jobs, and the Pods of tests, that are going or gone although this operator has not deleted them. */
  deletedByOthers?: readonly KubeObject[] | undefined;
  now: Date;
  /** What the API server said to what was to be created in this run. */
  refusal?: string | undefined;
}

export type Action =
  | { type: 'CreateConfigMap'; configMap: ConfigMap }
  | { type: 'CreateJob'; job: Job }
  | { type: 'CreatePod'; pod: Pod }
  | { type: 'DeleteJob'; name: string; uid: string }
  | { type: 'DeletePod'; namespace: string; name: string; uid: string };

export type Plan = PlanOf<OSImageStatus, Action>;

/** What one step of the life of an image comes to. */
export interface StageResult<Status> {
  /** Going: also when it waits for another step. */
  progress: Progress;
  /** Its part of the status. */
  status?: Status | undefined;
  condition: Stated;
  actions: Action[];
  requeueAfterSeconds?: number;
}

export type Stated = Omit<NewCondition, 'observedGeneration'>;

/** As long as a message in status may be. */
export const shorten = (text: string): string => truncateStart(text, 4096);

/** How a person has it tried again. */
export const tryAgain = ({ metadata }: OSImage): string =>
  `to have it tried again: kubectl annotate osimage ${metadata.name} monoroot.dev/retry="$(date)" --overwrite`;

export interface JobSettings {
  /** Of the operator. */
  namespace: string;
  builderImage: string;
  /** That of layout `split` becomes the root of the programs of a build. */
  scaffolds: Scaffolds;
  /** Of containers that ask for neither. */
  defaultMounts?: MountMode;
}
