import { setImmediate } from 'node:timers/promises';
import { vi } from 'vitest';
import type { HostedContainerSpec } from '../../src/api/hostedcontainer.ts';
import type { ImageDistributionSpec } from '../../src/api/imagedistribution.ts';
import { annotations } from '../../src/api/names.ts';
import { nodes, pods } from '../../src/kube/resources.ts';
import type { Client } from '../../src/kube/client.ts';
import { hostedContainers, imageDistributions, nodeStores, osImages } from '../../src/kube/kinds.ts';
import { ApiError } from '../../src/runtime/errors.ts';
import { SimulatedApi } from './api.ts';
import type { Write } from './api.ts';
import { SimulatedCluster } from './cluster.ts';
import type { Fate } from './kubelet.ts';
import { Invariants } from './invariants.ts';
import { SimulatedOperator, operatorName } from './operator.ts';
import { createDice } from './random.ts';
import type { Dice } from './random.ts';

export const os = 'debian';
const namespace = 'shop';
const start = Date.parse('2026-01-01T00:00:00Z');

export interface SimulationOptions {
  seed: number;
  /** Events of people, cluster and faults before all is left alone. */
  events: number;
  /** Nodes die, Pods are evicted, agents fall silent, images cannot be fetched. Without them maxUnavailable is checked. */
  clusterFaults: boolean;
  /** Writes a line for each thing that happens. */
  trace?: (line: string) => void;
}

/** What one run has found; empty when all rules held. */
export type Findings = readonly string[];

/** Drives the real reconcilers through hours of people, trouble and crashes, then leaves them alone, and checks all rules. */
export async function simulate(options: SimulationOptions): Promise<Findings> {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: start });
  try {
    const simulation = new Simulation(options);
    return await simulation.run();
  } finally {
    vi.useRealTimers();
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #dice: Dice;
  readonly #api: SimulatedApi;
  readonly #cluster: SimulatedCluster;
  readonly #operator: SimulatedOperator;
  readonly #people: Client;
  readonly #invariants: Invariants;
  #writesLeft = Infinity;
  #failing = 0;
  #versions = 0;
  #containers = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#dice = createDice(options.seed);
    const now = () => new Date(Date.now());
    this.#api = new SimulatedApi(now, {
      before: (who, _verb, kind, isWrite) => this.#beforeRequest(who, kind, isWrite),
      wrote: (write) => this.#wrote(write),
      refusal: (object) => this.#refusal(object.metadata.namespace),
      log: (pod) => this.#cluster.log(pod),
    });
    this.#cluster = new SimulatedCluster(this.#api, this.#dice, now);
    this.#operator = new SimulatedOperator(this.#api, this.#dice, () => Date.now());
    this.#people = this.#api.client('people');
    this.#invariants = new Invariants(this.#api, this.#cluster, options.clusterFaults);
  }

  async run(): Promise<Findings> {
    for (const name of ['n1', 'n2', 'n3']) await this.#cluster.addNode(name);
    await this.#newVersion('good');
    await this.#operator.start();
    for (let i = this.#dice.between(0, 8); i > 0; i--) await this.#newContainer(os);
    await this.#pass(120);
    for (let i = 0; i < this.#options.events; i++) {
      await this.#event();
      // Much happens within an attempt, and now and then all is quiet.
      await this.#pass(this.#dice.chance(0.7) ? this.#dice.between(1, 20) : this.#dice.between(20, 180));
      if (this.#invariants.findings.length > 0) break;
    }
    await this.#heal();
    // Whatever waits for a deadline, a soak, a pause or a silent agent has then come to its end.
    await this.#pass(4 * 3600, 20);
    const before = this.#invariants.operatorWrites;
    await this.#pass(2 * 3600, 20);
    this.#invariants.atRest(this.#invariants.operatorWrites - before);
    for (const { controller, key, error } of this.#operator.failures) {
      this.#invariants.add(
        `${controller} failed on ${key}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    await this.#operator.crash();
    return [...new Set(this.#invariants.findings)];
  }

  #trace(line: string): void {
    this.#options.trace?.(`${new Date().toISOString()} ${line}`);
  }

  #beforeRequest(who: string, kind: string, isWrite: boolean): void {
    if (who !== operatorName || !isWrite) return;
    if (this.#writesLeft <= 0) throw new ApiError({ code: 503, reason: 'Crashed', message: 'the process is gone' });
    this.#writesLeft -= 1;
    if (this.#failing > 0) {
      this.#failing -= 1;
      throw new ApiError({ code: 500, reason: 'InternalError', message: `etcd has no leader, ${kind} not written` });
    }
  }

  #wrote(write: Write): void {
    if (write.who !== 'cluster')
      this.#trace(
        `${write.who} ${write.verb} ${write.kind} ${write.key} ${write.changed ? '' : '(no change) '}${JSON.stringify(write.body).slice(0, 3000)}`,
      );
    this.#invariants.wrote(write);
  }

  #refusedUntil = 0;
  #refusal(at: string | undefined): string | undefined {
    return at === namespace && Date.now() < this.#refusedUntil
      ? 'pods is forbidden: exceeded quota: requests'
      : undefined;
  }

  /** Time goes by in steps; in each of them watches deliver, the operator runs and the cluster moves. */
  async #pass(seconds: number, largestStep = 5): Promise<void> {
    for (let left = seconds; left > 0;) {
      const step = Math.min(left, this.#dice.between(1, largestStep));
      left -= step;
      vi.setSystemTime(Date.now() + step * 1000);
      vi.advanceTimersByTime(0);
      await this.#cluster.step();
      const lags = this.#dice.chance(0.3) && largestStep <= 5;
      this.#api.deliver(() => (lags ? this.#dice.between(0, 2) : Infinity));
      await setImmediate();
      for (let runs = 0; await this.#operator.runSome(); runs++) {
        if (!lags) this.#api.deliver(() => Infinity);
        await setImmediate();
        if (runs > 400) {
          this.#invariants.add('The operator goes on and on, though no time passes');
          return;
        }
      }
      this.#invariants.check();
    }
  }

  async #heal(): Promise<void> {
    this.#trace('--- people leave, faults end');
    this.#failing = 0;
    this.#refusedUntil = 0;
    for (const machine of this.#cluster.machines.values()) {
      machine.up = true;
      machine.agentUp = true;
    }
    this.#cluster.unfetchable.clear();
    for (const { metadata } of this.#api.all(nodes))
      await this.#people.mergePatch(nodes, { name: metadata.name }, { spec: { unschedulable: null } });
    this.#invariants.healed();
  }

  async #event(): Promise<void> {
    const events: [number, string, () => Promise<void> | void][] = [
      [4, 'new container', () => this.#newContainer()],
      [2, 'new version', () => this.#newVersion()],
      [4, 'edit distribution', () => this.#editDistribution()],
      [4, 'edit image', () => this.#editContainer((dice) => ({ image: this.#someReference(dice) }))],
      [
        2,
        'edit command',
        () => this.#editContainer((dice) => ({ command: [`/usr/bin/service-${dice.between(1, 3)}`] })),
      ],
      [1, 'suspend', () => this.#editContainer((dice) => ({ suspend: dice.chance(0.5) }))],
      [
        1,
        'retry token',
        () => this.#editContainer((dice) => ({ upgrade: { retryToken: String(dice.between(1, 100)) } }) as never),
      ],
      [1, 'restart token', () => this.#editContainer((dice) => ({ restartToken: String(dice.between(1, 100)) }))],
      [1, 'delete container', () => this.#deleteContainer()],
      [1, 'lift condemnation', () => this.#liftCondemnation()],
      [1, 'delete version', () => this.#deleteVersion()],
      [2, 'operator crashes', () => this.#crash()],
      [2, 'API server fails', () => void (this.#failing = this.#dice.between(1, 5))],
      [1, 'quota', () => void (this.#refusedUntil = Date.now() + this.#dice.between(10, 600) * 1000)],
    ];
    if (this.#options.clusterFaults) {
      events.push(
        [2, 'node dies or returns', () => this.#toggleNode()],
        [3, 'eviction', () => this.#evict()],
        [1, 'drain', () => this.#drain()],
        [1, 'agent', () => this.#toggleAgent()],
        [1, 'unfetchable', () => this.#unfetchable()],
        [1, 'edit NodeStore', () => this.#editNodeStore()],
      );
    }
    const total = events.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#dice.next() * total;
    const chosen = events.find(([weight]) => (at -= weight) < 0) ?? events[0];
    this.#trace(`--- ${chosen?.[1] ?? ''}`);
    try {
      await chosen?.[2]();
    } catch (error) {
      // A person is informed that, and goes on.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #someReference(dice: Dice): string {
    const versions = this.#api.all(osImages).map(({ spec }) => `${os}:${spec.version}`);
    return dice.chance(0.2) ? os : dice.chance(0.1) ? `${os}:unknown` : (dice.pick(versions) ?? os);
  }

  async #newContainer(asked?: string): Promise<void> {
    if (this.#containers >= 12) return;
    const name = `c${++this.#containers}`;
    const image = asked ?? (this.#dice.chance(0.5) ? os : this.#someReference(this.#dice));
    if (this.#dice.chance(0.1)) this.#cluster.broken.add(`${namespace}/${name}`);
    const spec: Partial<HostedContainerSpec> = {
      image,
      command: ['/usr/bin/service'],
      upgrade: {
        onFailure: this.#dice.chance(0.3) ? 'Hold' : 'RevertSpec',
        minReadySeconds: 5,
        progressDeadlineSeconds: 60,
      } as never,
      ...(this.#dice.chance(0.2) && { imagePolicy: 'Strict' as const }),
      // Half of them, without a throw of the dice.
      ...(this.#containers % 2 === 0 && { mounts: 'Direct' as const }),
    };
    await this.#people.create(hostedContainers, {
      metadata: { name, namespace, labels: { app: 'web' } },
      spec,
    } as never);
  }

  async #newVersion(fate?: Fate): Promise<void> {
    if (this.#versions >= 6) return;
    const version = `v${++this.#versions}`;
    await this.#createVersion(version, fate ?? this.#someFate());
    if (this.#versions === 1 || this.#dice.chance(0.3)) await this.#ensureDistribution(version);
  }

  #someFate(): Fate {
    return this.#dice.chance(0.6)
      ? 'good'
      : (this.#dice.pick(['crashes', 'never-ready', 'launch-fails'] as const) ?? 'good');
  }

  async #createVersion(version: string, fate: Fate): Promise<void> {
    const sha256 = Array.from({ length: 64 }, () => this.#dice.between(0, 15).toString(16)).join('');
    this.#cluster.fates.set(`sha256:${sha256}`, fate);
    this.#trace(`${version} is ${fate}, sha256:${sha256.slice(0, 12)}`);
    const spec = { os, version, source: { http: { url: 'http://web/os.tar', sha256 } } };
    await this.#people.create(osImages, { metadata: { name: `${os}.${version}` }, spec } as never);
  }

  /** One distribution for the OS, edited; sometimes one for a version, as people do. */
  async #ensureDistribution(version: string): Promise<void> {
    const all = this.#api.all(imageDistributions);
    const name = all.length === 0 || this.#dice.chance(0.8) ? os : `${os}-${version}`;
    const image = `${os}:${version}`;
    const there = this.#api.find(imageDistributions, { name });
    if (there) {
      await this.#people.mergePatch(imageDistributions, { name }, { spec: { image } });
      return;
    }
    const canary = this.#dice.chance(0.5) && { canary: { count: 1, soakSeconds: 30 } };
    const existingContainers = {
      selector: { matchLabels: { app: 'web' } },
      maxUnavailable: this.#dice.between(1, 3),
      maxFailures: 1,
      ...canary,
    };
    const spec = {
      image,
      activate: { newContainers: true, ...(this.#dice.chance(0.8) && { existingContainers }) },
    } as unknown as ImageDistributionSpec;
    await this.#people.create(imageDistributions, { metadata: { name }, spec });
  }

  async #editDistribution(): Promise<void> {
    const version = this.#dice.pick(this.#api.all(osImages))?.spec.version;
    if (version !== undefined) await this.#ensureDistribution(version);
    const some = this.#dice.pick(this.#api.all(imageDistributions));
    if (some?.status?.rollout?.haltTime !== undefined && this.#dice.chance(0.5))
      await this.#people.mergePatch(
        imageDistributions,
        { name: some.metadata.name },
        { spec: { activate: { existingContainers: { retryToken: String(this.#dice.between(1, 1000)) } } } },
      );
    if (some && this.#dice.chance(0.05)) await this.#people.delete(imageDistributions, { name: some.metadata.name });
  }

  async #editContainer(edit: (dice: Dice) => Partial<HostedContainerSpec>): Promise<void> {
    const some = this.#dice.pick(this.#api.all(hostedContainers));
    if (some) await this.#people.mergePatch(hostedContainers, some.metadata, { spec: edit(this.#dice) });
  }

  async #deleteContainer(): Promise<void> {
    const some = this.#dice.pick(this.#api.all(hostedContainers));
    if (some) await this.#people.delete(hostedContainers, some.metadata);
  }

  async #liftCondemnation(): Promise<void> {
    const some = this.#api
      .all(osImages)
      .find(({ metadata }) => metadata.annotations?.[annotations.condemned] !== undefined);
    if (some)
      await this.#people.mergePatch(
        osImages,
        { name: some.metadata.name },
        { metadata: { annotations: { [annotations.condemned]: null } } },
      );
  }

  /** A version goes; sometimes its name comes back with other bytes. */
  async #deleteVersion(): Promise<void> {
    const some = this.#dice.pick(this.#api.all(osImages));
    if (!some || this.#api.all(osImages).length < 2) return;
    await this.#people.delete(osImages, { name: some.metadata.name });
    if (this.#dice.chance(0.5)) await this.#createVersion(some.spec.version, this.#someFate());
  }

  async #crash(): Promise<void> {
    this.#writesLeft = this.#dice.between(0, 3);
    await this.#pass(this.#dice.between(1, 5));
    await this.#operator.crash();
    this.#writesLeft = Infinity;
    await this.#operator.start();
  }

  #toggleNode(): void {
    const machine = this.#dice.pick([...this.#cluster.machines.values()]);
    if (!machine) return;
    machine.up = !machine.up;
    machine.downSince = Date.now();
  }

  #toggleAgent(): void {
    const machine = this.#dice.pick([...this.#cluster.machines.values()]);
    if (machine) machine.agentUp = !machine.agentUp;
  }

  #unfetchable(): void {
    const node = this.#dice.pick(this.#api.all(nodes))?.metadata.name ?? '';
    const image = this.#dice.pick(this.#api.all(osImages));
    if (image?.spec.source.http) this.#cluster.unfetchable.add(`${node} sha256:${image.spec.source.http.sha256}`);
  }

  /** By hand: an entry too few, or one that no one asked for. */
  async #editNodeStore(): Promise<void> {
    const store = this.#dice.pick(this.#api.all(nodeStores));
    if (!store) return;
    const [first, ...rest] = store.spec.images;
    const foreign = first && { ...first, os: 'by-hand', digest: `sha256:${'0'.repeat(64)}` };
    const images = this.#dice.chance(0.5) || !foreign ? rest : [...store.spec.images, foreign];
    await this.#people.mergePatch(nodeStores, { name: store.metadata.name }, { spec: { images } });
  }

  async #evict(): Promise<void> {
    const bound = this.#api
      .all(pods)
      .filter((pod) => pod.spec.nodeName !== undefined && pod.metadata.deletionTimestamp === undefined);
    const starting = bound.filter(
      (pod) => !pod.status?.conditions?.some((it) => it.type === 'Ready' && it.status === 'True'),
    );
    const pod = this.#dice.pick(starting.length > 0 ? starting : bound);
    const ends: [string, string][] = [
      ['Evicted', 'The node was low on resource: memory.'],
      ['OutOfcpu', 'Pod was rejected: Node did not have enough resource: cpu'],
      ['NodeShutdown', 'Pod was terminated in response to imminent node shutdown.'],
      ['UnexpectedAdmissionError', 'Pod was rejected: Allocate failed'],
    ];
    const end = this.#dice.pick(ends);
    if (pod && end) await this.#cluster.evict(pod, ...end);
  }

  async #drain(): Promise<void> {
    const node = this.#dice.pick(this.#api.all(nodes));
    if (!node) return;
    const { name } = node.metadata;
    const cordoned = node.spec?.unschedulable ?? false;
    await this.#people.mergePatch(nodes, { name }, { spec: { unschedulable: cordoned ? null : true } });
    if (cordoned) return;
    for (const pod of this.#api.all(pods))
      if (pod.spec.nodeName === name) await this.#people.delete(pods, pod.metadata, { uid: pod.metadata.uid });
  }
}
