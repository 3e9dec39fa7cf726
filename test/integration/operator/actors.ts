import { setTimeout as delay } from 'node:timers/promises';
import type { StoredImage } from '../../../src/api/nodestore.ts';
import { annotations, imageLabelPrefix, labels } from '../../../src/api/names.ts';
import { isConflict, isNotFound } from '../../../src/kube/client.ts';
import { ApiError } from '../../../src/runtime/errors.ts';
import type { Client } from '../../../src/kube/client.ts';
import type { Connection } from '../../../src/kube/connection.ts';
import { nodeStores } from '../../../src/kube/kinds.ts';
import { nodes, pods } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/api/kubernetes/objects.ts';
import { imageObjectName } from '../../../src/api/images.ts';
import { formatTime } from '../../../src/runtime/time.ts';
import { sameStatus } from '../../../src/runtime/status.ts';
import { jobController, runJobPod, runTest } from './jobs.ts';
import type { End, JobsBehaviour } from './jobs.ts';

/** How agents and kubelets behave; may be changed at any time. */
export interface Behaviour {
  /** What the agent of a node makes of an image. */
  stored(node: string, image: string): StoredImage['state'];
  /** Whether it gives up the image, which the operator only retains there. */
  evicts(node: string, image: string): boolean;
  /** What it tells of one image besides. */
  told(image: string): Partial<StoredImage>;
  /** What becomes of a container on an image. */
  container(image: string, name: string): 'good' | 'crashes' | 'starting' | 'evicted';
  /** How a Job that builds or publishes an image ends. */
  job: JobsBehaviour;
  /** How the test of an image ends; undefined while it runs. */
  test(image: string): End | undefined;
  /** The controllers of Kubernetes itself are there. */
  realControllers: boolean;
  /** Nodes whose agents are played by the test itself. */
  ownAgents: Set<string>;
  /** The node plugin answers everywhere. */
  directMounts: boolean;
  /** Nothing happens to Pods. */
  kubeletsDown: boolean;
  /** How far the clocks of the kubelets are ahead. */
  skewSeconds: number;
}

export interface Actors {
  /**
   * Resolves when the pass that is under way has ended. Until then the actors may still act as they were to behave before:
   * what they read last may be answered only now.
   */
  passEnded(): Promise<void>;
  stop(): Promise<void>;
}

/** Writes to the API server, in place of agents, scheduler and kubelets, what those would write; only what has changed. */
export function startActors(connection: Connection, client: Client, behaviour: Behaviour): Actors {
  const stop = new AbortController();
  const onePass = async (): Promise<void> => {
    await agents(client, behaviour).catch(ignoreLostRaces);
    if (!behaviour.realControllers) await jobController(client, behaviour.job).catch(ignoreLostRaces);
    if (!behaviour.kubeletsDown) await kubelets(connection, client, behaviour).catch(ignoreLostRaces);
  };
  let pass = Promise.resolve();
  const running = (async () => {
    while (!stop.signal.aborted) {
      pass = onePass();
      await pass;
      await delay(20);
    }
  })();
  return {
    passEnded: () => pass,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** The object that was to be patched is gone, and there is another of its name. */
const isReplaced = (error: unknown): boolean =>
  error instanceof ApiError && error.causes.some(({ field }) => field === 'metadata.uid');

function ignoreLostRaces(error: unknown): void {
  if (!isConflict(error) && !isNotFound(error) && !isReplaced(error)) throw error;
}

async function agents(client: Client, behaviour: Behaviour): Promise<void> {
  for (const store of await client.list(nodeStores)) {
    const { name } = store.metadata;
    if (behaviour.ownAgents.has(name)) continue;
    const desired = store.spec.images.filter(
      ({ os, version, retained }) => !retained || !behaviour.evicts(name, `${os}:${version}`),
    );
    const images = desired.map(({ os, version, digest }): StoredImage => {
      const state = behaviour.stored(name, `${os}:${version}`);
      const failure = state === 'Failed' && { reason: 'DigestMismatch', message: 'the archive has another digest' };
      const layout = { kind: 'merged' as const, directories: ['etc', 'tmp', 'usr', 'var'] };
      return {
        os,
        version,
        digest,
        state,
        ...failure,
        ...(state === 'Ready' && { layout, hasMountScript: false }),
        ...behaviour.told(`${os}:${version}`),
      };
    });
    const plugin = behaviour.directMounts && { directMounts: true };
    const status = { observedGeneration: store.metadata.generation, images, ...plugin };
    if (sameStatus({ ...store.status, images: store.status?.images ?? [] }, status)) continue;
    await client.applyStatus(nodeStores, { metadata: { name }, status }, { fieldManager: 'monoroot-agent' });
  }
}

async function kubelets(connection: Connection, client: Client, behaviour: Behaviour): Promise<void> {
  for (const pod of await client.list(pods, { labelSelector: `${labels.managedBy}=monoroot` })) {
    const step = pod.metadata.labels?.[labels.step];
    if (pod.metadata.deletionTimestamp !== undefined) {
      await client.delete(pods, pod.metadata, { uid: pod.metadata.uid, gracePeriodSeconds: 0 });
    } else if (step === 'build' || step === 'publish') {
      if (behaviour.realControllers) await jobPod(connection, client, pod, behaviour);
    } else if (pod.spec.nodeName === undefined) {
      await bind(connection, client, pod);
    } else if (step === 'verify') {
      await runTest(client, pod, behaviour.test(pod.metadata.annotations?.[annotations.image] ?? ''));
    } else {
      await run(client, pod, behaviour);
    }
  }
}

/** As scheduler and kubelet. */
async function jobPod(connection: Connection, client: Client, pod: Pod, behaviour: Behaviour): Promise<void> {
  if (pod.spec.nodeName === undefined) {
    await bindTo(connection, pod, 'n1');
    return;
  }
  const { [labels.step]: step = '', [labels.image]: image = '' } = pod.metadata.labels ?? {};
  await runJobPod(client, pod, behaviour.job(step, image.replace('.', ':')));
}

/** As the scheduler: the first node that has the image, and is the one that is asked for. */
async function bind(connection: Connection, client: Client, pod: Pod): Promise<void> {
  const [os = '', version = ''] = (pod.metadata.annotations?.[annotations.image] ?? '').split(':');
  const key = imageLabelPrefix + imageObjectName({ os, version });
  const asked = askedNode(pod);
  const has = (await client.list(nodes)).filter((it) => it.metadata.labels?.[key] !== undefined);
  const node = has.find((it) => asked === undefined || it.metadata.name === asked);
  if (node) await bindTo(connection, pod, node.metadata.name);
}

async function bindTo(connection: Connection, pod: Pod, node: string): Promise<void> {
  const { name, namespace = '' } = pod.metadata;
  await connection.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods/${name}/binding`,
    body: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { kind: 'Node', name: node },
    }),
  });
}

function askedNode(pod: Pod): string | undefined {
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required?.nodeSelectorTerms[0]?.matchFields?.[0]?.values?.[0];
}

/** The container that runs, or another one when the Pod has another image by now: its id says which image it runs. */
function containerOf(pod: Pod): { isOther: boolean; containerID: string; count: number } {
  const before = pod.status?.containerStatuses?.[0];
  const [, tag = ''] = /:([^:@]+)@/.exec(pod.spec.containers[0]?.image ?? '') ?? [];
  const isOther = before?.containerID?.startsWith(`c://${tag}-`) === false;
  const count = (before?.restartCount ?? 0) + (isOther ? 1 : 0);
  return { isOther, containerID: `c://${tag}-${count}`, count };
}

async function run(client: Client, pod: Pod, behaviour: Behaviour): Promise<void> {
  const how = behaviour.container(pod.metadata.annotations?.[annotations.image] ?? '', pod.metadata.name);
  const seen = pod.status?.containerStatuses?.[0]?.state;
  const now = formatTime(new Date(Date.now() + behaviour.skewSeconds * 1000));
  if (how === 'evicted') return evict(client, pod);
  const { isOther, containerID, count } = containerOf(pod);
  const common = { name: 'main', image: '', imageID: '', containerID, restartCount: count };
  const terminated = { exitCode: 1, message: 'nginx: unexpected end of file', startedAt: now, finishedAt: now };
  const statuses = {
    good: { ...common, ready: true, state: { running: { startedAt: now } } },
    starting: { ...common, ready: false, state: { waiting: { reason: 'ContainerCreating' } } },
    crashes: {
      ...common,
      ready: false,
      restartCount: count + 5,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated },
    },
  };
  const next = statuses[how];
  if (
    !isOther &&
    seen &&
    Object.keys(seen)[0] === Object.keys(next.state)[0] &&
    seen.waiting?.reason === (next.state as typeof seen).waiting?.reason
  )
    return;
  const conditions = [{ type: 'Ready', status: how === 'good' ? 'True' : 'False', lastTransitionTime: now }];
  const status = {
    observedGeneration: pod.metadata.generation,
    phase: how === 'starting' ? 'Pending' : 'Running',
    conditions,
    containerStatuses: [next],
    podIP: '10.0.0.1',
  };
  await client.mergePatch(pods, pod.metadata, { metadata: { uid: pod.metadata.uid }, status }, statusOf);
}

/** As a kubelet whose node has too little memory. */
async function evict(client: Client, pod: Pod): Promise<void> {
  if (pod.status?.phase === 'Failed') return;
  const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }];
  const status = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.', conditions };
  await client.mergePatch(pods, pod.metadata, { metadata: { uid: pod.metadata.uid }, status }, statusOf);
}

const statusOf = { subresource: 'status' } as const;
