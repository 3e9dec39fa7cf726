import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { DesiredImage, NodeStore } from '../../api/nodestore.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Plan as PlanOf } from '../../runtime/plan.ts';
import type { SeenNodeStore } from '../node-images.ts';

/** All nodes together, because `parallelism` is a limit over all of them. */
export interface Fleet {
  nodes: readonly Node[];
  stores: ReadonlyMap<string, SeenNodeStore>;
  images: readonly OSImage[];
  distributions: readonly ImageDistribution[];
  containers: readonly HostedContainer[];
  /** By node the Pods of containers that are bound to it. */
  pods: ReadonlyMap<string, readonly Pod[]>;
  /** Milliseconds since 1970. */
  now: number;
}

export interface NodePlan {
  node: Node;
  /** What the store should hold; the same as now when nothing changes. */
  images: DesiredImage[];
  /** The labels of images and of running Pods that the node should have, all of them. */
  labels: Record<string, string>;
  /** What it would store too, if a NodeStore could hold so much. */
  cut: DesiredImage[];
  /** It has all that it should get: only then time alone changes nothing. */
  done: boolean;
}

/** The fleet, and the NodeStores as they are, also those of Nodes that are gone. */
export interface Observed extends Fleet {
  allStores: ReadonlyMap<string, NodeStore>;
}

/** Bring the NodeStore and the labels of one node to what is planned. */
export interface Action {
  type: 'WriteNode';
  plan: NodePlan;
  /** What the plan was made from. */
  store: NodeStore | undefined;
}

/** It has no status: that of a NodeStore is its agent's. */
export type Plan = PlanOf<undefined, Action>;
