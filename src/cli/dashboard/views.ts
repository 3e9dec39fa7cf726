/** What the pages of the dashboard show: the words between server and page. Texts of others stay what they are; the page shows them as text. */

/** How one reads a kind: `Reading` for the first time, `Live`, `Away` when the API server does not answer, `Forbidden` by its rules. */
export interface KindHealth {
  kind: string;
  state: 'Reading' | 'Live' | 'Away' | 'Forbidden';
  /** Since when it is so. */
  since?: string;
  message?: string;
}

/** Piece `about` of every view. */
export interface About {
  health: KindHealth[];
  /** The address of the API server. */
  cluster: string;
  /** The only namespace that is looked at. */
  namespace?: string;
  version: string;
  /** The clock of the server, to tell how old what is shown is. */
  time: string;
}

/** Containers that need a person most come first. */
export const states = ['NeedsYou', 'Down', 'Moving', 'WentBack', 'Suspended', 'Well'] as const;
export type State = (typeof states)[number];

/** A container in a list. Its key is `c/<namespace>/<name>`. */
export interface ContainerRow {
  name: string;
  namespace: string;
  /** Operating system that it asks for. */
  os: string;
  image?: string;
  target?: string;
  node?: string;
  state: State;
  /** In one word of Kubernetes. */
  reason: string;
  since?: string;
  restarts: number;
}

export interface ObjectRef {
  kind: 'HostedContainer' | 'ImageDistribution' | 'OSImage' | 'NodeStore';
  namespace?: string;
  name: string;
}

/** All that need a person for the same reason. */
export interface Trouble {
  reason: string;
  kind: ObjectRef['kind'];
  count: number;
  examples: ObjectRef[];
  message: string;
  /** The first of them, since when. */
  since: string;
  command: string;
}

/** How many nodes have an image, of those that should; others keep it, as it was stored there before. */
export interface NodeCount {
  ready: number;
  desired: number;
}

/** `2 of 3 nodes`, and `3 nodes kept` of what no node should have any more. */
export function nodesText({ ready, desired }: NodeCount): string {
  if (desired === 0) return ready === 0 ? 'no nodes' : `${ready} ${ready === 1 ? 'node' : 'nodes'} kept`;
  const kept = ready > desired ? `, ${ready - desired} kept` : '';
  return `${Math.min(ready, desired)} of ${desired} nodes${kept}`;
}

export interface VersionBar {
  version: string;
  running: number;
  target: number;
  failed: number;
  nodes: NodeCount;
  default: boolean;
  condemned?: string;
  unknown: boolean;
}

export interface DistributionLine {
  name: string;
  image: string;
  standing: 'Done' | 'Halted' | 'Stalled' | 'Waiting';
  nodes: NodeCount;
  containers?: { updated: number; following: number; reverted: number };
  /** Lines for people. */
  told: string[];
}

/** Piece `os/<name>` of the fleet. */
export interface OsCard {
  os: string;
  default?: string;
  versions: VersionBar[];
  distributions: DistributionLine[];
  containers: number;
}

/** Piece `troubles` of the fleet. */
export interface Troubles {
  /** Objects, over all reasons. */
  count: number;
  groups: Trouble[];
  containers: Record<State, number>;
}

export interface Link {
  object: string;
  ref: ObjectRef;
  reason: string;
  message: string;
}

/** What `why` says. */
export interface Why {
  standing: 'Well' | 'Waiting' | 'Person';
  asked: string;
  runs: string;
  chain: Link[];
  cause: Link;
  next: string;
  command: string;
  unseen: readonly string[];
}

export interface ConditionRow {
  type: string;
  status: string;
  reason: string;
  message: string;
  since: string;
}

export interface EventRow {
  type: string;
  reason: string;
  note: string;
  time: string;
  count: number;
  about: string;
}

/** Piece `object` of the view of one object; undefined members are missing. */
export interface ObjectPage {
  ref: ObjectRef;
  why: Why;
  conditions: ConditionRow[];
}

export interface Run {
  image: string;
  from: string;
  to?: string;
  outcome?: string;
  message?: string;
}

export interface FailedRow {
  image: string;
  reason: string;
  message: string;
  time: string;
  attempts: number;
}

/** Piece `container` of the view of one container. */
export interface ContainerPage {
  row: ContainerRow;
  follows: boolean;
  lastKnownGood?: string;
  digest?: string;
  podIP?: string;
  history: Run[];
  failed: FailedRow[];
}

/** Piece `events`; with the reason why they cannot be read. */
export interface Events {
  state: KindHealth['state'];
  message?: string;
  rows: EventRow[];
}

/** Piece `pod`. */
export interface PodPage {
  state: KindHealth['state'];
  message?: string;
  phase?: string;
  node?: string;
  ready?: string;
  containers: { name: string; state: string; restarts: number }[];
}

/** How a follower stands with the image of a rollout, in the words of the planner. */
export type CellState = 'Waiting' | 'Moving' | 'Blocked' | 'Leaving' | 'Updated' | 'Reverted' | 'Failed' | 'New';

/** A follower in the rollout. Its key is `f/<namespace>/<name>`. */
export interface Cell {
  name: string;
  state: CellState;
  available: boolean;
  suspended: boolean;
  canary: boolean;
}

/** Piece `rollout` of the view of one distribution. */
export interface RolloutPage {
  name: string;
  image: string;
  standing: DistributionLine['standing'];
  told: string[];
  nodes: { ready: number; desired: number; failed: number; unreachable: number };
  failedNodes: { node: string; reason: string; message: string }[];
  /** Only where containers are moved. */
  moves?: {
    wave: number;
    startTime?: string;
    completionTime?: string;
    estimatedCompletionTime?: string;
    paused: boolean;
    budget: { most: number; down: string[] };
    maxFailures: number;
    failures: number;
    soak?: { from: string; to: string };
    windows: { open: boolean; changeTime?: string; schedules: string[] };
    gates: { name: string; holds?: boolean; failures: number; limit: number; message?: string; time?: string }[];
    counts: Record<CellState, number>;
  };
}

/** One step of the life of an image. */
export interface Step {
  name: string;
  state: 'Done' | 'Active' | 'Failed' | 'Open';
  time?: string;
  seconds?: number;
  detail?: string;
}

/** An image in the list. Its key is `i/<os>.<version>`. */
export interface ImageRow {
  object: string;
  os: string;
  version: string;
  bytes?: number;
  sharedBytes?: number;
  nodes: NodeCount;
  running: number;
  default: boolean;
  condemned?: string;
  reason: string;
  ready: boolean;
  digest?: string;
  steps: Step[];
}

/** The entry of an image in a node. */
export interface Stored {
  image: string;
  state: string;
  retained: boolean;
  reason?: string;
  message?: string;
  percent?: number;
  retryTime?: string;
}

/** A node in the list. Its key is `n/<name>`. */
export interface NodeRow {
  name: string;
  ready: boolean;
  reason: string;
  message: string;
  held: number;
  desired: number;
  /** Stored, and not wanted any more. */
  kept: number;
  used?: number;
  free?: number;
  capacity?: number;
  running: number;
  images: Stored[];
}

/** Piece `history`: who ran what when. */
export interface History {
  os: string;
  systems: string[];
  start: string;
  end: string;
  versions: string[];
  /** For each moment, how many containers ran each of the versions. */
  columns: { time: string; counts: number[] }[];
}

/** A container in the history. Its key is `h/<namespace>/<name>`. */
export interface HistoryRow {
  name: string;
  runs: { version: number; from: string; to?: string; failed: boolean }[];
}
