import type { NodeStore, StoredImage } from '../../src/api/nodestore.ts';
import type { HostedContainer } from '../../src/api/hostedcontainer.ts';
import { annotations, fieldManagers } from '../../src/api/names.ts';
import { persistentVolumeClaims, jobs, nodes, pods } from '../../src/kube/resources.ts';
import type { Client } from '../../src/kube/client.ts';
import { hostedContainers, nodeStores } from '../../src/kube/kinds.ts';
import { imageName } from '../../src/api/images.ts';
import { isRestarting } from '../../src/api/patched.ts';
import { matchesNodeSelector, toleratesTaints } from '../../src/api/kubernetes/selectors.ts';
import type { Node, NodeSelector, Pod } from '../../src/api/kubernetes/objects.ts';
import { ApiError } from '../../src/runtime/errors.ts';
import { keyOf } from '../../src/runtime/object.ts';
import type { KubeObject, ObjectName } from '../../src/runtime/object.ts';
import { sameStatus } from '../../src/runtime/status.ts';
import type { SimulatedApi } from './api.ts';
import { containerStatus, isTold, restart } from './kubelet.ts';
import type { Fate, Running } from './kubelet.ts';
import type { Dice } from './random.ts';

/** How a node is, beside what the API server has of it. */
export interface Machine {
  up: boolean;
  downSince: number;
  agentUp: boolean;
  /** Milliseconds by which the clock of its kubelet is ahead. */
  skewMilliseconds: number;
}

const owner = 'cluster';
const seconds = (milliseconds: number) => milliseconds / 1000;

/** Agents, scheduler, kubelets and the controllers of Kubernetes that matter to the operator, one step at a time. */
export class SimulatedCluster {
  readonly machines = new Map<string, Machine>();
  readonly fates = new Map<string, Fate>();
  /** Containers that no image can help, as `<namespace>/<name>`. */
  readonly broken = new Set<string>();
  /** `<node> <image>`: what an agent cannot fetch. */
  readonly unfetchable = new Set<string>();
  readonly #api: SimulatedApi;
  readonly #client: Client;
  readonly #dice: Dice;
  readonly #now: () => Date;
  readonly #running = new Map<string, Running>();
  readonly #fetching = new Map<string, number>();

  constructor(api: SimulatedApi, dice: Dice, now: () => Date) {
    this.#api = api;
    this.#client = api.client(owner);
    this.#dice = dice;
    this.#now = now;
  }

  async addNode(name: string): Promise<void> {
    const labels = { 'kubernetes.io/arch': 'amd64', 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name };
    const skewMilliseconds = this.#dice.chance(0.3) ? this.#dice.between(-600, 600) * 1000 : 0;
    this.machines.set(name, { up: true, downSince: 0, agentUp: true, skewMilliseconds });
    await this.#client.create(nodes, { metadata: { name, labels }, spec: {} });
  }

  /** What a container does with an image. */
  fateOf(key: string, digest: string): Fate {
    return this.broken.has(key) ? 'crashes' : (this.fates.get(digest) ?? 'good');
  }

  /** One moment of everything. */
  async step(): Promise<void> {
    for (const store of this.#api.all(nodeStores)) await this.#agent(store);
    for (const node of this.#api.all(nodes)) await this.#nodeLifecycle(node);
    for (const pod of this.#api.all(pods)) await this.#pod(pod);
    this.#api.collectGarbage([pods, persistentVolumeClaims, jobs, nodeStores] as never);
  }

  async #agent(store: NodeStore): Promise<void> {
    const { name } = store.metadata;
    const machine = this.machines.get(name);
    if (!machine?.up || !machine.agentUp) return;
    const used = new Set(
      this.#api
        .all(pods)
        .filter((pod) => pod.spec.nodeName === name)
        .flatMap((pod) => this.#usedBy(pod)),
    );
    const before = store.status?.images ?? [];
    const desired = store.spec.images.flatMap((image): StoredImage[] => {
      const { os, version, digest, retained } = image;
      const there = before.find((it) => it.os === os && it.version === version);
      if (there && there.digest !== digest && used.has(`${imageName(there)} ${there.digest}`)) return [there];
      if (there?.digest === digest && there.state === 'Ready') return [there];
      if (retained) return [];
      return [{ os, version, digest, ...this.#fetch(name, digest, there) }];
    });
    const leaving = before
      .filter((it) => !desired.some((w) => imageName(w) === imageName(it)) && it.state !== 'Deleting')
      .filter((it) => used.has(`${imageName(it)} ${it.digest}`));
    const status = {
      observedGeneration: store.metadata.generation,
      images: [...desired, ...leaving],
      directMounts: true,
    };
    if (sameStatus({ ...store.status, images: before }, status)) return;
    await this.#client.applyStatus(
      nodeStores,
      { metadata: { name }, status },
      {
        fieldManager: fieldManagers.agent,
      },
    );
  }

  /** `<image> <digest>` of what a Pod uses, as an agent counts it. */
  #usedBy(pod: Pod): string[] {
    const { [annotations.image]: image = '', [annotations.digest]: digest = '', [annotations.mountsBefore]: before } = pod.metadata.annotations ?? {}; // prettier-ignore
    if (before === undefined || !isRestarting(pod)) return [`${image} ${digest}`];
    const tree = JSON.parse(before) as { os: string; version: string; digest: string };
    return [`${image} ${digest}`, `${imageName(tree)} ${tree.digest}`];
  }

  #fetch(node: string, digest: string, there: StoredImage | undefined): Omit<StoredImage, 'os' | 'version' | 'digest'> {
    const key = `${node} ${digest}`;
    if (this.unfetchable.has(key)) {
      this.#fetching.delete(key);
      return {
        state: 'Failed',
        reason: 'DigestMismatch',
        message: 'The archive has another digest',
        attempts: (there?.attempts ?? 0) || 1,
      };
    }
    const until = this.#fetching.get(key) ?? this.#now().getTime() + this.#dice.between(2, 60) * 1000;
    this.#fetching.set(key, until);
    if (this.#now().getTime() < until) return { state: 'Fetching' };
    this.#fetching.delete(key);
    const layout = { kind: 'merged' as const, directories: ['etc', 'tmp', 'usr', 'var'] };
    return { state: 'Ready', layout, hasMountScript: false, unpackedBytes: 1000 };
  }

  /** As the node lifecycle controller: a node that is silent gets a taint, and its Pods are deleted after five minutes. */
  async #nodeLifecycle(node: Node & KubeObject): Promise<void> {
    const machine = this.machines.get(node.metadata.name);
    if (!machine) return;
    const silent = machine.up ? 0 : seconds(this.#now().getTime() - machine.downSince);
    const isAway = silent > 40;
    const key = 'node.kubernetes.io/unreachable';
    const taints = (node.spec?.taints ?? []).filter((taint) => taint.key !== key);
    const next = isAway ? [...taints, { key, effect: 'NoExecute' }] : taints;
    if (isAway !== (node.spec?.taints ?? []).some((taint) => taint.key === key))
      await this.#client.mergePatch(nodes, { name: node.metadata.name }, { spec: { taints: next } });
    if (silent <= 340) return;
    for (const pod of this.#api.all(pods)) {
      if (pod.spec.nodeName === node.metadata.name && pod.metadata.deletionTimestamp === undefined)
        await this.#client.delete(pods, pod.metadata, { uid: pod.metadata.uid });
    }
  }

  async #pod(pod: Pod): Promise<void> {
    const node = pod.spec.nodeName;
    if (node === undefined) {
      await this.#schedule(pod);
      return;
    }
    const machine = this.machines.get(node);
    if (!machine) {
      // The garbage collector of Pods removes those of nodes that are gone.
      await this.#client.delete(pods, pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 });
      return;
    }
    if (!machine.up) {
      if (seconds(this.#now().getTime() - machine.downSince) > 40) await this.#markNotReady(pod);
      return;
    }
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (!this.#dice.chance(0.5)) return;
      this.#running.delete(pod.metadata.uid ?? '');
      await this.#client.delete(pods, pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 });
      return;
    }
    if (pod.status?.phase === 'Failed') return;
    await this.#kubelet(pod, machine);
  }

  /** As the node lifecycle controller does for Pods of a node that is silent. */
  async #markNotReady(pod: Pod): Promise<void> {
    const conditions = pod.status?.conditions ?? [];
    if (!conditions.some(({ type, status }) => type === 'Ready' && status === 'True')) return;
    const next = conditions.map((it) =>
      it.type === 'Ready' ? { ...it, status: 'False', lastTransitionTime: this.#time(0) } : it,
    );
    await this.#client.mergePatch(pods, pod.metadata, { status: { conditions: next } }, { subresource: 'status' });
  }

  async #schedule(pod: Pod): Promise<void> {
    const affinity = pod.spec.affinity as
      { nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector } } | undefined;
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const fitting = this.#api
      .all(nodes)
      .filter(
        (node) =>
          !node.spec?.unschedulable &&
          matchesNodeSelector(node, required) &&
          toleratesTaints(node, pod.spec.tolerations) &&
          Object.entries(pod.spec.nodeSelector ?? {}).every(([k, v]) => node.metadata.labels?.[k] === v),
      );
    const chosen = this.#dice.pick(fitting);
    if (chosen) {
      await this.#client.mergePatch(pods, pod.metadata, { spec: { nodeName: chosen.metadata.name } });
      return;
    }
    if (pod.status?.conditions?.some(({ type }) => type === 'PodScheduled')) return;
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes are available',
      lastTransitionTime: this.#time(0),
    };
    await this.#client.mergePatch(
      pods,
      pod.metadata,
      { status: { phase: 'Pending', conditions: [condition] } },
      { subresource: 'status' },
    );
  }

  async #kubelet(pod: Pod, machine: Machine): Promise<void> {
    const now = this.#now().getTime();
    const image = pod.spec.containers[0]?.image ?? '';
    const fresh = { boundAt: now, startedAt: undefined, readyAfterSeconds: this.#dice.between(0, 25), image };
    const its = this.#running.get(pod.metadata.uid ?? '') ?? { ...fresh, restarts: 0, crashedAt: 0 };
    this.#running.set(pod.metadata.uid ?? '', its);
    if (its.startedAt === undefined && now - its.boundAt < 1000) return;
    its.startedAt ??= now;
    // Until it has stopped the container of before runs on, and the status is about it.
    if (its.image !== image && this.#dice.chance(0.5)) restart(its, image, now);
    const time = (at: number) => this.#time(machine.skewMilliseconds, at);
    const fate = this.fateOf(keyOf(pod.metadata), this.#digestOf(pod, its, image));
    const status = containerStatus(its, its.startedAt, fate, now, time);
    if (isTold(pod, status)) return;
    const condition = (type: string, is: boolean) => ({
      type,
      status: is ? 'True' : 'False',
      lastTransitionTime: time(now),
    });
    const next = {
      phase: 'Running',
      observedGeneration: pod.metadata.generation,
      podIP: '10.0.0.1',
      startTime: pod.status?.startTime ?? time(now),
      conditions: [condition('PodScheduled', true), condition('Ready', status.ready)],
      containerStatuses: [status],
    };
    await this.#client.mergePatch(pods, pod.metadata, { status: next }, { subresource: 'status' });
  }

  /** The bytes that the container runs: those of the Pod, or those that it had before it was patched. */
  #digestOf(pod: Pod, its: Running, image: string): string {
    const { [annotations.digest]: now = '', [annotations.mountsBefore]: before } = pod.metadata.annotations ?? {};
    if (its.image === image || before === undefined) return now;
    return (JSON.parse(before) as { digest: string }).digest;
  }

  /** What the kubelet of the Pod gives of its log. */
  log({ namespace, name }: ObjectName): string {
    const { nodeName = '' } = this.#api.find(pods, { namespace, name })?.spec ?? {};
    if (this.machines.get(nodeName)?.up) return '';
    throw new ApiError({ code: 500, reason: 'InternalError', message: `dial tcp: ${nodeName} is not reached` });
  }

  /** A kubelet gives a Pod up for reasons of its node. */
  async evict(pod: Pod, reason: string, message: string): Promise<void> {
    this.#running.delete(pod.metadata.uid ?? '');
    const conditions = [
      ...(reason === 'Evicted'
        ? [
            {
              type: 'DisruptionTarget',
              status: 'True',
              reason: 'TerminationByKubelet',
              message,
              lastTransitionTime: this.#time(0),
            },
          ]
        : []),
      { type: 'Ready', status: 'False', reason: 'PodFailed', lastTransitionTime: this.#time(0) },
    ];
    await this.#client.mergePatch(
      pods,
      pod.metadata,
      { status: { phase: 'Failed', reason, message, conditions } },
      { subresource: 'status' },
    );
  }

  #time(skew: number, at = this.#now().getTime()): string {
    return `${new Date(at + skew).toISOString().slice(0, 19)}Z`;
  }

  isReady({ metadata }: HostedContainer): boolean {
    const pod = this.#api.find(pods, { namespace: metadata.namespace, name: metadata.name });
    if (!pod || pod.metadata.deletionTimestamp !== undefined) return false;
    return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  }

  containers(): HostedContainer[] {
    return this.#api.all(hostedContainers);
  }
}
