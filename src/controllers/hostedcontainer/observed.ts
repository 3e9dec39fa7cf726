import type { HostedContainer, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { AllowedCapabilities } from '../../pod/permitted.ts';
import type { PodPatch } from '../../pod/in-place.ts';
import type { MountMode } from '../../pod/mode.ts';
import type { Scaffolds } from '../../pod/pod.ts';
import type { PersistentVolumeClaim } from '../../api/kubernetes/objects.ts';
import type { Node, NodeSelector, Pod } from '../../api/kubernetes/objects.ts';
import type { Plan as PlanOf } from '../../runtime/plan.ts';

/** What is known of images; answered from caches. */
export interface Catalog {
  find(os: string, version: string): OSImage | undefined;
  /** The default version of an OS, if one is activated. */
  defaultVersion(os: string): string | undefined;
  /** All images that have these bytes. */
  withDigest(digest: string): readonly OSImage[];
  /** What is to give an OS without a default version its first one, if anything is. */
  pendingDefault(os: string): Pending | undefined;
  /** An ImageDistribution brings these bytes to one of these nodes, and has not failed there. */
  comesTo(image: ImageDigest, nodes: readonly string[]): boolean;
  /** Those of the nodes that answer and are getting these bytes from an ImageDistribution, now or when it is their turn. */
  nodesGetting(image: ImageDigest, nodes: readonly string[]): readonly string[];
  /** The ImageDistribution that moves this container to the default version, if one does. */
  movedBy(container: HostedContainer): string | undefined;
}

/** Something that is not there yet. */
export interface Pending {
  message: string;
  /** It comes by itself; else only a person ends it. */
  waits: boolean;
}

export interface ImageDigest {
  os: string;
  version: string;
  digest: string;
}

/** Where the data of the container is, as far as that limits where it can run. */
export interface DataLocation {
  /** Nodes that can reach the data; unset when all can. */
  affinity?: NodeSelector | undefined;
  /** Why the data cannot be mounted at all. */
  problem?: string | undefined;
  /** The claim of the template is still to be made. */
  toCreate?: PersistentVolumeClaim | undefined;
}

/** The answer of the API server to a Pod that it was asked to check. */
export interface DryRun {
  /** Why it refuses the Pod; unset: it takes it. */
  refusal?: string | undefined;
}

/** The end of a log, which only the kubelet of the Pod can give. */
export interface LogTail {
  /** '' when it cannot be had. */
  text: string;
  /** False: neither the log nor a refusal came, so the node may be dead without the API server knowing it yet. */
  nodeAnswers: boolean;
}

/** What whoever runs the cluster says of Pods. */
export type PodSettings = Pick<Observed, 'scaffolds' | 'allowedCapabilities' | 'defaultMounts'>;

/** Everything that the plan looks at. The last three cost a call each and are read only when a plan asks for them. */
export interface Observed {
  container: HostedContainer;
  catalog: Catalog;
  /** The Pod of that name, whoever owns it. */
  pod: Pod | undefined;
  nodes: readonly Node[];
  /** Since when the node plugin of the Pod's node answers, as its agent reported. */
  directMountsTime?: string | undefined;
  scaffolds: Scaffolds;
  /** What containers have that ask for neither; HostPath unless the administrator chose the other. */
  defaultMounts?: MountMode;
  /** Why the container has not the default, where that is Direct. */
  whyHostPath?: string | undefined;
  /** Those that the cluster allows besides the usual ones. */
  allowedCapabilities?: AllowedCapabilities | undefined;
  now: Date;
  /** The claim that was made from the template, now or earlier, if it was. */
  claim?: PersistentVolumeClaim | undefined;
  data?: DataLocation | undefined;
  /** What the API server said to Pods of dry runs, by their hash and whether they are to be made or to be patched so. */
  dryRuns?: ReadonlyMap<string, DryRun> | undefined;
  /** The last lines of the log of the failing container. */
  logTail?: LogTail | undefined;
  /** Since when this operator leads: of what was before it knows only what the status says. */
  leadingSince?: Date | undefined;
  /** The Pod as the API server has it, when it was patched in place: `pod` is without what its status tells of the container before. */
  stored?: Pod | undefined;
  /** The container was not restarted since the patch. */
  isRestarting?: boolean | undefined;
  /** A Pod of that name that belongs to somebody else; then `pod` is unset. */
  stranger?: Pod | undefined;
  /** The Pod, when it is going or gone although this operator has not deleted it. */
  deletedByOthers?: Pod | undefined;
  /** `spec.image` was written back because of the newest attempt already; the status may not say so yet. */
  isSpecReverted?: boolean | undefined;
  /** Actions of this run that failed. */
  failures?: readonly Failure[] | undefined;
}

/** An action that failed, in the words of the API server. */
export interface Failure {
  action: Action['type'];
  message: string;
  /** It would be refused again: it is not tried again. */
  isFinal: boolean;
}

/** What the API server has said to this very Pod, if it was asked. */
export const dryRunOf = ({ dryRuns }: Observed, pod: Pod): DryRun | undefined => dryRuns?.get(hashOf(pod));

/** The same of a patch. */
export const dryRunOfPatch = ({ dryRuns }: Observed, patch: PodPatch): DryRun | undefined => dryRuns?.get(keyOf(patch));

/** What was seen, with one more answer of the API server. */
export const withDryRun = (o: Observed, pod: Pod, dryRun: DryRun): Observed => ({
  ...o,
  dryRuns: new Map([...(o.dryRuns ?? []), [hashOf(pod), dryRun]]),
});

export const withDryRunOfPatch = (o: Observed, patch: PodPatch, dryRun: DryRun): Observed => ({
  ...o,
  dryRuns: new Map([...(o.dryRuns ?? []), [keyOf(patch), dryRun]]),
});

const keyOf = ({ from, to }: PodPatch): string => `${hashOf(to)} in ${from.metadata.uid ?? ''}`;
const hashOf = ({ metadata }: Pod): string => metadata.annotations?.[annotations.podHash] ?? '';

/** Something that the plan must know before it can decide, and that costs a call. */
export type Query =
  | { type: 'DataLocation'; claimName: string }
  | { type: 'DryRun'; pod: Pod }
  | { type: 'DryRunOfPatch'; patch: PodPatch }
  | { type: 'LogTail'; previous: boolean };

export type Action =
  | { type: 'CreateClaim'; claim: PersistentVolumeClaim }
  | { type: 'DisownClaim' | 'DeleteClaim'; claim: PersistentVolumeClaim }
  | { type: 'HoldForData'; hold: boolean }
  | { type: 'CreatePod'; pod: Pod }
  | { type: 'DeletePod'; uid: string; why: string }
  | { type: 'PatchPod'; patch: PodPatch; why: string }
  | { type: 'RevertSpec'; image: string }
  | { type: 'Unassign' };

export type Plan = PlanOf<HostedContainerStatus, Action, Query>;
