import type { ObjectMeta } from '../meta.ts';
import type { Toleration } from './podfields.ts';

/** What we read and write of the objects of Kubernetes itself: only the fields that some rule of ours looks at. */

export interface NodeSelectorRequirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  values?: string[];
}
export interface NodeSelectorTerm {
  matchExpressions?: NodeSelectorRequirement[];
  matchFields?: NodeSelectorRequirement[];
}
export interface NodeSelector {
  nodeSelectorTerms: NodeSelectorTerm[];
}

export interface Node {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: { unschedulable?: boolean; taints?: { key: string; value?: string; effect: string }[] };
  status?: {
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    addresses?: { type: string; address: string }[];
    nodeInfo?: { architecture: string; kernelVersion: string; kubeletVersion: string; containerRuntimeVersion: string };
    allocatable?: Record<string, string>;
    capacity?: Record<string, string>;
  };
}

/** As far as we read it: what else the user asks for is handed on. */
export interface Affinity {
  nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector };
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    startedAt?: string;
    finishedAt?: string;
    containerID?: string;
  };
}
export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  /** `<runtime>://<id>` of the container that `state` tells of, or of the one before it. */
  containerID?: string;
  state?: ContainerState;
  lastState?: ContainerState;
}
export interface PodCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}
export interface Volume {
  name: string;
  hostPath?: { path: string; type?: string };
  emptyDir?: { medium?: string; sizeLimit?: string };
  persistentVolumeClaim?: { claimName: string };
  image?: { reference: string; pullPolicy: string };
  configMap?: { name: string };
  secret?: { secretName: string; optional: boolean; defaultMode: number };
}
export interface VolumeMount {
  name: string;
  mountPath: string;
  subPath?: string;
  readOnly?: boolean;
  recursiveReadOnly?: string;
}
export interface EnvVar {
  name: string;
  value?: string | undefined;
  valueFrom?: object | undefined;
}
export interface Container {
  name: string;
  image: string;
  imagePullPolicy?: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  volumeMounts?: VolumeMount[];
  securityContext?: object;
  terminationMessagePolicy?: string;
  envFrom?: object[];
  ports?: object[];
  resources?: object;
  readinessProbe?: object;
  livenessProbe?: object;
  startupProbe?: object;
}
/** One that runs beside the others and ends with them. */
export type Sidecar = Omit<Container, 'args' | 'env' | 'terminationMessagePolicy'> & { restartPolicy: 'Always' };
export interface PodSpec {
  containers: Container[];
  initContainers?: Sidecar[];
  volumes?: Volume[];
  restartPolicy?: string;
  enableServiceLinks?: boolean;
  automountServiceAccountToken?: boolean;
  affinity?: Affinity;
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  topologySpreadConstraints?: object[];
  serviceAccountName?: string;
  imagePullSecrets?: { name: string }[];
  priorityClassName?: string;
  runtimeClassName?: string;
  hostUsers?: boolean;
  terminationGracePeriodSeconds?: number;
  activeDeadlineSeconds?: number;
  securityContext?: object;
}
export interface PodStatus {
  /** `metadata.generation` of the Pod that the kubelet had when it wrote this; since Kubernetes 1.33. */
  observedGeneration?: number;
  /** When the kubelet took it. */
  startTime?: string;
  phase?: string;
  reason?: string;
  message?: string;
  podIP?: string;
  conditions?: PodCondition[];
  containerStatuses?: ContainerStatus[];
  initContainerStatuses?: ContainerStatus[];
}
export interface Pod {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] };
  spec: PodSpec;
  status?: PodStatus;
}

export interface PersistentVolumeClaim {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] };
  spec?: { volumeName?: string; [field: string]: unknown };
  status?: { phase?: string };
}

export interface PersistentVolume {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: { nodeAffinity?: { required?: NodeSelector }; [field: string]: unknown };
}

export interface ConfigMap {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] };
  immutable?: boolean;
  data?: Record<string, string>;
}

export interface JobStatus {
  conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[];
}
export interface Job {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] };
  spec: {
    backoffLimit: number;
    activeDeadlineSeconds: number;
    podFailurePolicy: { rules: object[] };
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
  };
  status?: JobStatus;
}
