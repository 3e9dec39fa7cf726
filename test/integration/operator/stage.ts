import { join } from 'node:path';
import { expect } from 'vitest';
import type { HostedContainer, HostedContainerSpec } from '../../../src/api/hostedcontainer.ts';
import type { ImageDistributionSpec } from '../../../src/api/imagedistribution.ts';
import type { StoredImage } from '../../../src/api/nodestore.ts';
import type { NewObject } from '../../../src/kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../../src/kube/kinds.ts';
import { defineResource, events, nodes, pods } from '../../../src/kube/resources.ts';
import type { Resource } from '../../../src/kube/resources.ts';
import type { Node } from '../../../src/api/kubernetes/objects.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import type { Condition } from '../../../src/runtime/conditions.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { expectValidStatus } from '../../../src/runtime/status.ts';
import { sha256Of } from '../../fixtures/builders.ts';
import { startTestCluster } from '../apiserver.ts';
import { startControllerManager } from '../controller-manager.ts';
import { connect, createNamespace } from '../environment.ts';
import { eventually, waitSeconds } from '../eventually.ts';
import { applyManifests } from '../manifests.ts';
import { installCrds } from '../setup.ts';
import { startActors } from './actors.ts';
import type { Behaviour } from './actors.ts';
import type { End } from './jobs.ts';
import { startOperator } from './process.ts';

interface WithConditions extends KubeObject {
  status?: { conditions?: readonly Condition[] | undefined } | undefined;
}
interface Managed extends KubeObject {
  metadata: KubeObject['metadata'] & {
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1: Record<string, object> }[];
  };
}
/** As quick as the API allows. */
export const quick = { minReadySeconds: 0, progressDeadlineSeconds: 60, maxRestarts: 3 };
export const nodeNames = ['n1', 'n2', 'n3'];

/**
 * The real operator with the rights of its service account, on an API server of its own (because it labels every node), with
 * three nodes and the policies of deploy/ in force. Agents, scheduler, kubelets and, unless real `controllers` of Kubernetes are
 * named, the controller of Jobs are played by the test: `states`, `behaviours` and `ends` say what they do.
 */
export async function openStage({ controllers = [] }: { controllers?: readonly string[] } = {}) {
  const cluster = await startTestCluster();
  const { client, connection } = connect(cluster.kubeconfig);
  await installCrds(cluster.kubeconfig, join(import.meta.dirname, '../../../crds'));
  await applyManifests(client, 'operator-rbac.yaml', 'policies.yaml');
  const namespace = await createNamespace(client);
  /** By `<node> <image>` what the agent makes of it; Ready unless it is said. */
  const states = new Map<string, StoredImage['state']>();
  /** `<node> <image>` of what an agent gives up when it is only retained. */
  const evictions = new Set<string>();
  /** By image what agents tell of it besides. */
  const reports = new Map<string, Partial<StoredImage>>();
  /** By image, or by `<container> <image>`, what becomes of containers; good unless it is said. */
  const behaviours = new Map<string, ReturnType<Behaviour['container']>>();
  /** By `<build|publish|verify> <image>` how it ends; it goes on as long as it is not said. */
  const ends = new Map<string, End>();
  const behaviour: Behaviour = {
    stored: (node, image) => states.get(`${node} ${image}`) ?? 'Ready',
    evicts: (node, image) => evictions.has(`${node} ${image}`),
    told: (image) => reports.get(image) ?? {},
    container: (image, name) => behaviours.get(`${name} ${image}`) ?? behaviours.get(image) ?? 'good',
    job: (step, image) => ends.get(`${step} ${image}`),
    test: (image) => ends.get(`verify ${image}`),
    realControllers: controllers.length > 0,
    ownAgents: new Set(),
    directMounts: false,
    kubeletsDown: false,
    skewSeconds: 0,
  };

  /** A new node is tainted until its kubelet is ready, by the API server itself. */
  async function createNode(name: string): Promise<Node> {
    await client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/arch': 'amd64' } } });
    return client.mergePatch(nodes, { name }, { spec: { taints: null } });
  }
  for (const name of nodeNames) await createNode(name);
  const actors = startActors(connection, client, behaviour);
  const manager = controllers.length > 0 ? startControllerManager(cluster.kubeconfig, ...controllers) : undefined;
  let operator = await startOperator(cluster.kubeconfig, connection);

  function create<T extends KubeObject>(resource: Resource<T>, metadata: T['metadata'], spec: object): Promise<T> {
    return client.create(resource, { metadata, spec } as unknown as NewObject<T>, { fieldManager: 'kubectl' });
  }
  async function createImage(image: string, spec: object = {}): Promise<void> {
    const [os = '', version = ''] = image.split(':');
    const http = { url: `http://web/${os}-${version}.tar`, sha256: sha256Of(image) };
    await create(osImages, { name: objectName(image) }, { os, version, source: { http }, ...spec });
  }
  const distribute = (image: string, spec: Partial<ImageDistributionSpec> = {}) =>
    create(imageDistributions, { name: objectName(image) }, { image, ...spec });
  const start = (name: string, image: string, spec: Partial<HostedContainerSpec> = {}) =>
    create(hostedContainers, { name, namespace }, { image, command: ['/bin/app'], upgrade: quick, ...spec });
  /** As a person or a GitOps tool: server-side apply of all that they own. */
  const ask = (name: string, image: string, spec: object = {}) =>
    client.apply(
      hostedContainers,
      { metadata: { name, namespace }, spec: { image, command: ['/bin/app'], upgrade: quick, ...spec } },
      { fieldManager: 'gitops' },
    );

  /** Waits until the conditions are as given, `status/reason` by type, and gives the object. */
  function until<T extends WithConditions>(
    resource: Resource<T>,
    name: string,
    wanted: Record<string, string>,
    seconds = waitSeconds,
  ): Promise<T> {
    return eventually(async () => {
      const object = await client.get(resource, resource.namespaced ? { name, namespace } : { name });
      const seen = Object.keys(wanted).map((type) => {
        const found = findCondition(object?.status?.conditions, type);
        return [type, `${found?.status ?? 'absent'}/${found?.reason ?? ''}`];
      });
      expect(Object.fromEntries(seen)).toEqual(wanted);
      if (!object) throw new Error(`${resource.kind} ${name} is gone`);
      expectValidStatus(object);
      return object;
    }, seconds);
  }
  const upToDate = { Ready: 'True/Running', Upgraded: 'True/UpToDate' };
  /** Waits until the container is good on the image. */
  async function good(name: string, image: string): Promise<HostedContainer> {
    return eventually(async () => {
      const container = await until(hostedContainers, name, upToDate, 1);
      expect(container.status).toMatchObject({ image, lastKnownGoodImage: image });
      return container;
    });
  }
  const told = async (node: string) =>
    (await client.get(nodeStores, { name: node }))?.spec.images.map((i) => `${i.os}:${i.version}`);
  const labelsOf = async (node: string) =>
    Object.entries((await client.get(nodes, { name: node }))?.metadata.labels ?? {})
      .filter(([key]) => key.startsWith('image.monoroot.dev/'))
      .map(([key, value]) => `${key.slice('image.monoroot.dev/'.length)}=${value}`);
  const podOf = (name: string) => client.get(pods, { name, namespace });
  const eventsOf = async (name: string) =>
    (await client.list(events, { namespace })).filter((e) => e.regarding?.name === name).map((e) => e.reason);

  /** `manager operation subresource` of those who own something below this field, such as `f:spec`. */
  async function owners<T extends KubeObject>(
    resource: Resource<T>,
    name: string,
    ...path: string[]
  ): Promise<string[]> {
    const { group, version, plural, kind, namespaced } = resource;
    const managed = defineResource<Managed>({ group, version, plural, kind, namespaced });
    const object = await client.get(managed, namespaced ? { name, namespace } : { name });
    const owns = (fields: object | undefined) =>
      path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], fields) !== undefined;
    return (object?.metadata.managedFields ?? [])
      .filter((entry) => owns(entry.fieldsV1))
      .map((entry) => `${entry.manager} ${entry.operation}${entry.subresource ? ` ${entry.subresource}` : ''}`)
      .sort();
  }

  const path = (of: string, name: string, subresource: string) =>
    `/${of}/namespaces/${namespace}/${of === 'api/v1' ? 'pods' : 'hostedcontainers'}/${name}/${subresource}`;
  /** What `kubectl drain` asks for; an ApiError when a budget does not allow it. */
  const evict = (name: string) =>
    connection.request({
      method: 'POST',
      path: path('api/v1', name, 'eviction'),
      body: JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }),
    });
  /** What `kubectl scale` asks for. */
  const scale = (name: string, replicas: number) =>
    connection.request({
      method: 'PATCH',
      path: path('apis/monoroot.dev/v1alpha1', name, 'scale'),
      body: JSON.stringify({ spec: { replicas } }),
      contentType: 'application/merge-patch+json',
    });

  return {
    evict,
    scale,
    client,
    cluster,
    connection,
    namespace,
    states,
    evictions,
    reports,
    behaviours,
    ends,
    behaviour,
    /** From when `stop` resolves until `start` nothing happens to Pods. */
    kubelets: {
      stop: async () => {
        behaviour.kubeletsDown = true;
        await actors.passEnded();
      },
      start: () => {
        behaviour.kubeletsDown = false;
      },
    },
    /** From when this resolves the agent of the node is played by the test alone. */
    playAgent: async (node: string) => {
      behaviour.ownAgents.add(node);
      await actors.passEnded();
    },
    createNode,
    createImage,
    distribute,
    start,
    ask,
    until,
    good,
    told,
    labelsOf,
    podOf,
    eventsOf,
    owners,
    operator: {
      counts: () => operator.counts(),
      reconcileAll: () => operator.reconcileAll(),
      stop: () => operator.stop(),
      start: async (seenSecondsAgo = 0) => {
        operator = await startOperator(cluster.kubeconfig, connection, { seenSecondsAgo });
      },
    },
    /** Everybody behaves again. */
    reset: () => {
      states.clear();
      evictions.clear();
      reports.clear();
      behaviours.clear();
      ends.clear();
      behaviour.directMounts = false;
      behaviour.kubeletsDown = false;
      behaviour.skewSeconds = 0;
      behaviour.ownAgents.clear();
    },
    close: async () => {
      await manager?.stop();
      await actors.stop();
      await operator.stop();
      await connection.close();
      await cluster.stop();
    },
  };
}

/** The name of the objects of an image. */
export const objectName = (image: string): string => image.replace(':', '.');
