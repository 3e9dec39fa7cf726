import type { Reason as ContainerReason } from '../../controllers/hostedcontainer/reasons.ts';
import type { reasons as distributionReasons } from '../../controllers/imagedistribution/reasons.ts';
import type { reasons as imageReasons } from '../../controllers/osimage/reasons.ts';
import { sourcesNamespace, systemNamespace } from '../../api/names.ts';

/** One command for each reason: what a person types next. Types keep the tables whole: a new reason has no command yet. */

export interface Subject {
  name: string;
  namespace: string;
  /** Node where it happens. */
  node: string;
  /** Image that it is about, as `<os>:<version>`. */
  image: string;
  os: string;
  /** It is a container that follows the default version. */
  follows: boolean;
}

type Advice = (subject: Subject) => string;

const plugin = 'kubectl monoroot';
const log: Advice = ({ name, namespace }) => `kubectl -n ${namespace} logs ${name} --previous`;
const pod: Advice = ({ name, namespace }) => `kubectl -n ${namespace} describe pod ${name}`;
const node: Advice = (it) => (it.node === '' ? 'kubectl get nodes' : `kubectl describe node ${it.node}`);
const editContainer: Advice = ({ name, namespace }) => `kubectl -n ${namespace} edit hostedcontainer ${name}`;
const statusOf: Advice = ({ name, namespace }) => `${plugin} -n ${namespace} status hostedcontainer/${name} -w`;
const retryContainer: Advice = ({ name, namespace }) => `${plugin} -n ${namespace} retry hostedcontainer/${name}`;
/** A version of its own would end that it follows the default. */
const upgrade: Advice = ({ name, namespace, os, follows }) =>
  follows ? `${plugin} fleet --os ${os}` : `${plugin} -n ${namespace} upgrade hostedcontainer/${name} ${os}:VERSION`;
const images: Advice = () => `${plugin} images`;
const editDistribution: Advice = ({ name }) => `kubectl edit imagedistribution ${name}`;
const follow: Advice = ({ name }) => `${plugin} rollout status ${name}`;
const undo: Advice = ({ name }) => `${plugin} rollout undo ${name}`;
const retryImage: Advice = ({ name }) => `${plugin} retry osimage/${name}`;
const steps: Advice = ({ name }) => `${plugin} logs osimage/${name}`;
const refused: Advice = () => `kubectl -n ${systemNamespace} get events --field-selector type=Warning`;

export const containerAdvice: Readonly<Record<ContainerReason, Advice>> = {
  Exact: statusOf,
  DefaultVersion: statusOf,
  FallbackToDefault: images,
  UnknownImage: images,
  ImageNotReady: images,
  ImageCondemned: upgrade,
  NoDefaultVersion: () => 'kubectl get imagedistributions -o wide',
  UpToDate: statusOf,
  Reverted: upgrade,
  InProgress: statusOf,
  ImageNotResolved: images,
  Interrupted: pod,
  WaitingForNode: () => `${plugin} nodes`,
  WaitingForDistribution: statusOf,
  SoftwareNotReady: images,
  DataUnavailable: ({ namespace }) => `kubectl -n ${namespace} get persistentvolumeclaims`,
  InvalidSpec: editContainer,
  PodForbidden: ({ namespace }) => `kubectl get namespace ${namespace} --show-labels`,
  PodConflict: ({ name, namespace }) => `kubectl -n ${namespace} get pod ${name} -o yaml`,
  FailedBefore: retryContainer,
  Held: retryContainer,
  Failed: retryContainer,
  Suspended: ({ name, namespace }) => `${plugin} -n ${namespace} resume hostedcontainer/${name}`,
  Running: statusOf,
  Starting: pod,
  PodPending: pod,
  Restarting: log,
  NodeUnreachable: node,
  NodeLost: node,
  CrashLooping: log,
  MountScriptFailed: log,
  NoMounts: node,
  DefaultsTooLarge: editContainer,
  DefaultsFailed: log,
  UnknownUser: editContainer,
  CommandNotFound: editContainer,
  NoSupervisor: editContainer,
  NoServiceDirectory: log,
  InvalidTimeZone: editContainer,
  LaunchFailed: log,
  CreateContainerConfigError: pod,
  CreateContainerError: pod,
  RunContainerError: pod,
  InvalidImageName: pod,
  NotPermitted: editContainer,
  WriteFailed: ({ name, namespace }) => `${plugin} -n ${namespace} events hostedcontainer/${name}`,
  NotStalled: statusOf,
  Settled: statusOf,
};

export const distributionAdvice: Readonly<Record<keyof typeof distributionReasons, Advice>> = {
  AllNodes: follow,
  InProgress: follow,
  NodesUnreachable: () => 'kubectl get nodes',
  NodesFailed: () => `${plugin} nodes`,
  EmptySelector: editDistribution,
  NoNodes: editDistribution,
  UnknownImage: editDistribution,
  ImageNotBuilt: ({ image }) => `${plugin} logs osimage/${image.replace(':', '.')}`,
  ImageNotVerified: ({ image }) => `${plugin} logs osimage/${image.replace(':', '.')}`,
  ImageNotPublished: ({ image }) => `${plugin} logs osimage/${image.replace(':', '.')}`,
  NewContainers: follow,
  NotRequested: follow,
  WaitingForNodes: follow,
  WaitingForOther: () => 'kubectl get imagedistributions -o wide',
  RolledOut: follow,
  RollingOut: follow,
  OutsideWindow: follow,
  InvalidWindow: editDistribution,
  Paused: ({ name }) => `${plugin} rollout resume ${name}`,
  ContainersStuck: ({ name }) => `${plugin} rollout status ${name} --once`,
  RolloutHalted: undo,
  ImageCondemned: undo,
  ImageNotReady: images,
  NotActivated: editDistribution,
  NotDistributed: () => `${plugin} nodes`,
  Superseded: () => 'kubectl get imagedistributions -o wide',
  OtherHalted: () => 'kubectl get imagedistributions -o wide',
  TooManyFailures: undo,
  GateFailed: undo,
  NotHalted: follow,
  Settled: follow,
};

const imageTable: Readonly<Record<keyof typeof imageReasons, Advice>> = {
  Valid: images,
  SecretInDefaults: ({ name }) => `kubectl get osimage ${name} -o yaml`,
  Pushed: images,
  Building: steps,
  BuildFailed: retryImage,
  JobRefused: refused,
  Passed: images,
  WaitingForBuild: steps,
  WaitingForNode: () => `${plugin} nodes`,
  Fetching: () => `${plugin} nodes`,
  Running: steps,
  Failed: retryImage,
  TimedOut: retryImage,
  PodRefused: refused,
  ExternalSource: images,
  Published: images,
  WaitingForVerification: steps,
  Publishing: steps,
  PublishFailed: retryImage,
  Agreed: images,
  NodesDiffer: ({ name }) => `kubectl describe osimage ${name}`,
  // Lifting it is for who knows the cause; `rollout retry --lift` shows the evidence first.
  Condemned: images,
  NotCondemned: images,
  Stored: images,
  NotDistributed: ({ os }) => `kubectl edit imagedistribution ${os}`,
  NoNodes: ({ os }) => `kubectl edit imagedistribution ${os}`,
  Distributing: () => `${plugin} nodes`,
  AllMounted: images,
  OverlayTooSmall: ({ name }) => `kubectl describe osimage ${name}`,
  PartsMissing: ({ name }) => `kubectl describe osimage ${name}`,
  Settled: images,
};

/** What a build failed with is in no table: another try, when what the message names is corrected. */
export const imageAdvice = (reason: string): Advice =>
  Object.hasOwn(imageTable, reason) ? imageTable[reason as keyof typeof imageTable] : retryImage;

/** Of what an agent says of an image. */
export const nodeAdvice = (reason: string): Advice => {
  if (['SecretMissing', 'Unauthorized'].includes(reason)) return () => `kubectl -n ${sourcesNamespace} get secrets`;
  if (reason.startsWith('Signature'))
    return () => `kubectl -n ${systemNamespace} get configmap monoroot-signatures -o yaml`;
  if (['NoSpace', 'TooLarge'].includes(reason)) return () => `${plugin} nodes -o wide`;
  if (reason === 'AgentDied') return (it) => `${plugin} logs node/${it.node} --previous`;
  if (['AllStored', 'Done'].includes(reason)) return () => `${plugin} nodes`;
  return (it) => `${plugin} logs node/${it.node}`;
};
