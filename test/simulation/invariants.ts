import type { HostedContainer, HostedContainerStatus } from '../../src/api/hostedcontainer.ts';
import { annotations } from '../../src/api/names.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { imageName } from '../../src/api/images.ts';
import type { Pod } from '../../src/api/kubernetes/objects.ts';
import { isRestarting } from '../../src/api/patched.ts';
import { pods } from '../../src/kube/resources.ts';
import { keyOf } from '../../src/runtime/object.ts';
import { expectValidStatus } from '../../src/runtime/status.ts';
import type { SimulatedApi, Write } from './api.ts';
import { faultsAtRest } from './at-rest.ts';
import type { SimulatedCluster } from './cluster.ts';
import { operatorName } from './operator.ts';

/** More Pods of one container in an hour than growing pauses can make. */
const mostPodsAnHour = 60;

/** The promises of the operator, checked against what the simulation knows and the operator does not. */
export class Invariants {
  readonly findings: string[] = [];
  operatorWrites = 0;
  readonly #api: SimulatedApi;
  readonly #cluster: SimulatedCluster;
  readonly #clusterFaults: boolean;
  readonly #created = new Map<string, number[]>();
  /** Pods that have changed since the operator last wrote of them. */
  readonly #moved = new Set<string>();
  /** What people last asked for, by container. */
  readonly #asked = new Map<string, string>();
  /** How many might be unavailable when a rollout moved the container, by container. */
  readonly #limits = new Map<string, number>();
  /** What is checked at which write of the operator. */
  readonly #rules: Record<string, (write: Write) => void> = {
    'apply OSImage': (write) => this.#condemned(write),
    'apply HostedContainer': (write) => this.#reverted(write),
    'applyStatus HostedContainer': (write) => {
      this.#ledger(write);
      this.#rememberLimit(write);
    },
    'create Pod': (write) => this.#podMade(write),
    'delete Pod': (write) => this.#podTaken(write),
    'patch Pod': (write) => {
      this.#podTaken(write);
      this.#patchedInPlace(write);
    },
  };

  constructor(api: SimulatedApi, cluster: SimulatedCluster, clusterFaults: boolean) {
    this.#api = api;
    this.#cluster = cluster;
    this.#clusterFaults = clusterFaults;
  }

  add(finding: string): void {
    if (this.findings.length < 20) this.findings.push(`${new Date().toISOString()} ${finding}`);
  }

  wrote(write: Write): void {
    if (write.who === 'people' && write.kind === 'HostedContainer') this.#remember(write);
    if (write.who === 'cluster' && write.kind === 'Pod' && write.changed) this.#moved.add(write.key);
    if (write.who !== operatorName) return;
    // A container that crashes goes on changing, and its status with it.
    if (write.kind !== 'HostedContainer' || !this.#moved.delete(write.key)) this.operatorWrites += 1;
    this.#rules[`${write.verb} ${write.kind}`]?.(write);
  }

  healed(): void {
    this.#created.clear();
  }

  /** After every moment. */
  check(): void {
    for (const resource of [hostedContainers, osImages, imageDistributions] as const) {
      for (const object of this.#api.all<never>(resource as never)) {
        const { status } = object as { status?: object };
        if (status === undefined || !('conditions' in status)) continue;
        try {
          expectValidStatus(object);
        } catch (error) {
          this.add((error as Error).message);
        }
      }
    }
  }

  /** When people and faults have been away for hours; `writes` in the last two of them. */
  atRest(writes: number): void {
    if (writes > 0) this.add(`${writes} writes in two hours in which nothing happened`);
    for (const container of this.#api.all(hostedContainers)) {
      const facts = { api: this.#api, cluster: this.#cluster, container, isReady: this.#cluster.isReady(container) };
      for (const fault of faultsAtRest({ ...facts, asked: this.#asked.get(keyOf(container.metadata)) }))
        this.add(fault);
    }
    for (const { metadata, status } of this.#api.all(nodeStores)) {
      if (status?.images?.some(({ state }) => state === 'Deleting'))
        this.add(`NodeStore ${metadata.name} deletes for ever`);
    }
  }

  #remember({ verb, key, body }: Write): void {
    const image = (body['spec'] as { image?: string } | undefined)?.image;
    if (verb !== 'delete' && image !== undefined) this.#asked.set(key, image);
    if (verb === 'delete') this.#asked.delete(key);
  }

  /** An image is condemned only when its own bytes are at fault. */
  #condemned({ key, before, body }: Write): void {
    const { annotations: written } = (body['metadata'] ?? {}) as { annotations?: Record<string, string> };
    const evidence = written?.[annotations.condemned];
    const { source } = (before?.['spec'] ?? {}) as { source?: { http?: { sha256: string } } };
    if (evidence !== undefined && this.#cluster.fateOf('', `sha256:${source?.http?.sha256 ?? ''}`) === 'good')
      this.add(`${key} is condemned, and it is good: ${evidence}`);
  }

  /** The operator takes back only what failed, and only from what it had seen. */
  #reverted({ key, before, body }: Write): void {
    const to = (body['spec'] as { image?: string } | undefined)?.image;
    const from = (before?.['spec'] as { image?: string } | undefined)?.image;
    if (to === undefined || from === undefined || from === to) return;
    const { failedImages } = (before?.['status'] ?? {}) as HostedContainerStatus;
    if (!failedImages?.some((it) => it.image === from))
      this.add(`${key}: spec.image was taken back from ${from} to ${to}, and ${from} never failed`);
  }

  /** A failure is written down only for bytes that fail this container. */
  #ledger({ key, before, body }: Write): void {
    const entries = (status: unknown) => (status as HostedContainerStatus | undefined)?.failedImages ?? [];
    const known = new Set(entries(before?.['status']).map((it) => `${it.fingerprint} ${it.attempts}`));
    for (const it of entries(body['status'])) {
      if (known.has(`${it.fingerprint} ${it.attempts}`)) continue;
      if (this.#cluster.fateOf(key, it.digest) === 'good')
        this.add(`${key}: ${it.image} failed with ${it.reason} (${it.message}), and it is good`);
    }
  }

  #podMade({ key }: Write): void {
    const now = Date.now();
    const times = [...(this.#created.get(key) ?? []).filter((time) => now - time < 3_600_000), now];
    this.#created.set(key, times);
    if (times.length > mostPodsAnHour) this.add(`${key}: ${times.length} Pods in an hour`);
  }

  /** The node has what the container is to start with, and the container before was restarted. */
  #patchedInPlace({ key, before }: Write): void {
    const pod = this.#api.all(pods).find(({ metadata }) => keyOf(metadata) === key);
    const { [annotations.image]: image, [annotations.digest]: digest } = pod?.metadata.annotations ?? {};
    const store = this.#api.find(nodeStores, { name: pod?.spec.nodeName ?? '' });
    if (!store?.status?.images?.some((it) => imageName(it) === image && it.digest === digest && it.state === 'Ready'))
      this.add(`${key} is patched to ${image ?? ''}, and ${store?.metadata.name ?? 'its node'} does not have it`);
    if (before && stillRunsEarlier(before as unknown as Pod))
      this.add(`${key} is patched again before its container is restarted`);
  }

  /** Distributions are edited after they have moved containers: the limit is that of the moment. */
  #rememberLimit({ key, before, body }: Write): void {
    const of = (status: unknown) => (status ?? {}) as HostedContainerStatus;
    const { assignedImage, assignedTime } = of(body['status']);
    if (assignedTime === undefined || assignedTime === of(before?.['status']).assignedTime) return;
    const limits = this.#api
      .all(imageDistributions)
      .filter(({ spec }) => spec.image === assignedImage)
      .flatMap(({ spec }) => spec.activate.existingContainers ?? [])
      .map(({ maxUnavailable }) => Number(maxUnavailable));
    this.#limits.set(key, Math.max(0, ...limits) || Infinity);
  }

  /** A rollout takes no ready follower down while maxUnavailable of those that it has moved are down. */
  #podTaken({ key, before }: Write): void {
    const container = this.#api.all(hostedContainers).find(({ metadata }) => keyOf(metadata) === key);
    // What faults take down is in no budget.
    if (this.#clusterFaults || !before || !container || !isMoved(container) || !wasReady(before)) return;
    const { assignedImage } = container.status ?? {};
    if (assignedImage === before.metadata.annotations?.[annotations.image]) return;
    const down = this.#api
      .all(hostedContainers)
      .filter((it) => isMoved(it) && it.status?.assignedImage === assignedImage)
      // Who was down before the rollout moved it is not down because of it.
      .filter(({ status }) => status?.lastKnownGoodImage !== assignedImage && !status?.assignedWhileUnavailable)
      .filter((it) => !this.#cluster.isReady(it));
    const limit = Math.max(...[container, ...down].map(({ metadata }) => this.#limits.get(keyOf(metadata)) ?? 0));
    if (limit > 0 && down.length > limit)
      this.add(`${down.length} followers are down on their way to ${assignedImage ?? ''}, at most ${limit} may be`);
  }
}

/** It follows, and a rollout has moved it. */
const isMoved = ({ spec, status }: HostedContainer): boolean =>
  !spec.image.includes(':') && !spec.suspend && status?.assignedTime !== undefined;

/** Its container was not restarted since the last patch, and runs. */
const stillRunsEarlier = (pod: Pod): boolean =>
  isRestarting(pod) && pod.status?.containerStatuses?.[0]?.state?.running !== undefined;

function wasReady(pod: object): boolean {
  const { status } = pod as { status?: { conditions?: { type: string; status: string }[] } };
  return status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True') ?? false;
}
