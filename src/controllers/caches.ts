import type { Logger } from 'pino';
import type { HostedContainer } from '../api/hostedcontainer.ts';
import type { ImageDistribution } from '../api/imagedistribution.ts';
import { annotations, labels } from '../api/names.ts';
import type { OSImage } from '../api/osimage.ts';
import type { Client } from '../kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../kube/kinds.ts';
import { jobs, nodes, persistentVolumeClaims, pods } from '../kube/resources.ts';
import { imageObjectName, parseReference } from '../api/images.ts';
import type { Job, Node, PersistentVolumeClaim, Pod } from '../api/kubernetes/objects.ts';
import type { SeenNodeStore } from './node-images.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { KubeObject } from '../runtime/object.ts';
import { Reflector } from '../runtime/reflector.ts';

/** Everything that the operator watches; a type and no interface, so that all of them can be gone through. */
export type Caches = {
  images: Reflector<OSImage>;
  distributions: Reflector<ImageDistribution>;
  stores: Reflector<SeenNodeStore>;
  containers: Reflector<HostedContainer>;
  nodes: Reflector<Node>;
  pods: Reflector<Pod>;
  /** Those that were made from templates. */
  claims: Reflector<PersistentVolumeClaim>;
  /** Those that make images, in the namespace of the operator. */
  jobs: Reflector<SeenJob>;
};

/** A Job as the cache of the operator has it. */
export interface SeenJob extends Job {
  /** When this process saw this revision of it first, in milliseconds since 1970; unset where nothing is watched. */
  seenTime?: number;
}

/** Index of HostedContainers by the OSes that they ask for, as root and as software. */
export const byOS = 'os';
/** Index of OSImages by the digest of their bytes. */
export const byDigest = 'digest';
/** Index of the Jobs and Pods that make or test an image, by the name of its OSImage. */
export const byStage = 'step';

/** Where the operator and its Jobs run, and where images are tested. */
export interface Namespaces {
  namespace: string;
  verificationNamespace: string;
}

/** What of each kind is kept, for all that planners look at it. `now` is in milliseconds since 1970. */
export const transforms = (now: () => number) => ({
  stores: seenStores(now),
  containers: withoutLastApplied<HostedContainer>,
  nodes: onlyWhatPlacementNeeds,
  pods: withoutVolumes,
  jobs: (job: SeenJob): SeenJob => ({ ...job, seenTime: now() }),
});

/** With the times since when this process has known each of them as it is, and what it is asked for. */
function seenStores(now: () => number): (store: SeenNodeStore) => SeenNodeStore {
  const specs = new Map<string, { uid: string; generation: number; time: number }>();
  return (store) => {
    const { name, uid = '', generation = 0 } = store.metadata;
    const seenTime = now();
    const before = specs.get(name);
    const specSeenTime = before?.uid === uid && before.generation === generation ? before.time : seenTime;
    specs.set(name, { uid, generation, time: specSeenTime });
    return { ...store, seenTime, specSeenTime };
  };
}

export function createCaches(
  client: Client,
  logger: Logger,
  metrics: Metrics,
  { namespace, verificationNamespace }: Namespaces,
  now: () => number = Date.now,
): Caches {
  const common = (name: string) => ({ name, logger, hooks: metrics.reflector(name) });
  const transform = transforms(now);
  const caches: Caches = {
    images: new Reflector({ ...common('osimages'), source: client.listWatcher(osImages) }),
    distributions: new Reflector({ ...common('imagedistributions'), source: client.listWatcher(imageDistributions) }),
    stores: new Reflector({
      ...common('nodestores'),
      source: client.listWatcher<SeenNodeStore>(nodeStores),
      transform: transform.stores,
    }),
    containers: new Reflector({
      ...common('hostedcontainers'),
      source: client.listWatcher(hostedContainers),
      transform: transform.containers,
    }),
    nodes: new Reflector({ ...common('nodes'), source: client.listWatcher(nodes), transform: transform.nodes }),
    pods: new Reflector({
      ...common('pods'),
      source: client.listWatcher(pods, { labelSelector: `${labels.managedBy}=monoroot` }),
      transform: transform.pods,
    }),
    claims: new Reflector({
      ...common('persistentvolumeclaims'),
      source: client.listWatcher(persistentVolumeClaims, { labelSelector: `${labels.managedBy}=monoroot` }),
    }),
    jobs: new Reflector({
      ...common('jobs'),
      source: client.listWatcher<SeenJob>(jobs, { namespace, labelSelector: `${labels.managedBy}=monoroot` }),
      transform: transform.jobs,
    }),
  };
  const imageOfStage = ({ metadata: { labels: its, namespace: at } }: KubeObject) =>
    (at === namespace || at === verificationNamespace) && its?.[labels.step] !== undefined
      ? [its[labels.image] ?? '']
      : [];
  caches.jobs.store.addIndex(byStage, imageOfStage);
  caches.pods.store.addIndex(byStage, imageOfStage);
  caches.images.store.addIndex(byDigest, ({ status }) => (status?.digest === undefined ? [] : [status.digest]));
  caches.containers.store.addIndex(byOS, ({ spec }) => {
    const references = [spec.image, ...(spec.software ?? []).flatMap(({ osImage }) => osImage ?? [])];
    return new Set(references.map((reference) => parseReference(reference).os));
  });
  return caches;
}

/** The OSImage that a reference names, if it names a version. */
export function imageOf(caches: Caches, reference: string): OSImage | undefined {
  const { os, version } = parseReference(reference);
  return version === undefined ? undefined : caches.images.store.get(imageObjectName({ os, version }));
}

/** kubectl keeps a second copy of the whole object there. */
function withoutLastApplied<T extends KubeObject>(object: T): T {
  const { 'kubectl.kubernetes.io/last-applied-configuration': _copy, ...annotations } =
    object.metadata.annotations ?? {};
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** Images and addresses make up most of a Node, and change with every heartbeat. */
function onlyWhatPlacementNeeds(node: Node): Node {
  const { name, uid, labels, deletionTimestamp, resourceVersion } = node.metadata;
  return {
    apiVersion: node.apiVersion,
    kind: node.kind,
    metadata: {
      name,
      ...(uid !== undefined && { uid }),
      ...(labels && { labels }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    ...(node.spec && {
      spec: {
        ...(node.spec.unschedulable !== undefined && { unschedulable: node.spec.unschedulable }),
        ...(node.spec.taints && { taints: node.spec.taints }),
      },
    }),
  };
}

/** What the Pod was made of is in its annotations as a hash; of its spec only the node is asked for, and what a patch changes. */
function withoutVolumes(pod: Pod): Pod {
  const {
    [annotations.mounts]: _mounts,
    [annotations.mountsBefore]: _before,
    ...kept
  } = pod.metadata.annotations ?? {};
  const metadata = pod.metadata.annotations ? { ...pod.metadata, annotations: kept } : pod.metadata;
  const containers =
    kept[annotations.fixedHash] === undefined ? [] : pod.spec.containers.map(({ name, image }) => ({ name, image }));
  return { ...pod, metadata, spec: { ...pod.spec, volumes: [], containers } };
}
