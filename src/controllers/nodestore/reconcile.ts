import type { Logger } from 'pino';
import { fieldManagers } from '../../api/names.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Client } from '../../kube/client.ts';
import { nodeStores } from '../../kube/kinds.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { sameStatus } from '../../runtime/status.ts';
import { nodes } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { distributionChanged, imageChanged, placementChanged } from '../predicates.ts';
import { watchPins } from './pins.ts';
import { concernsLabels, currentLabels } from './labels.ts';
import { planFleet } from './plan.ts';
import type { NodePlan } from './plan.ts';

/** One key for the whole fleet: how many nodes fetch at once is a rule over all of them. */
const fleetKey = 'fleet';
/** Index of Pods. */
const byNode = 'node';
const writesAtOnce = 8;
/** While a node is getting something: its agent may fall silent, and that makes no event. */
const lookAgainSeconds = 60;

/** Tells every node what to store, and labels it with what it has. */
export function nodeStoreController(
  client: Client,
  caches: Caches,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const keys = () => [fleetKey];
  caches.pods.store.addIndex(byNode, ({ spec }) => (spec.nodeName === undefined ? [] : [spec.nodeName]));
  const nodeOf = ({ spec }: Pod) => caches.nodes.store.get(spec.nodeName ?? '');
  return {
    name: 'nodestore',
    sources: [
      watch(caches.nodes, { keys, when: placementChanged }),
      watch(caches.stores, { keys, when: imagesChanged }),
      watch(caches.images, { keys, when: imageChanged }),
      watch(caches.distributions, { keys, when: distributionChanged }),
      watch(caches.containers, watchPins(caches.containers.store, fleetKey)),
      watch(caches.pods, { keys: (pod) => (concernsLabels(pod, nodeOf(pod)) ? [fleetKey] : []) }),
    ],
    reconcile: async (_request, { logger, signal }) => {
      const stores = new Map(caches.stores.store.list().map((store) => [store.metadata.name, store]));
      const all = caches.nodes.store.list();
      const plans = planFleet({
        nodes: all,
        pods: new Map(all.map(({ metadata: { name } }) => [name, caches.pods.store.byIndex(byNode, name)])),
        stores,
        images: caches.images.store.list(),
        distributions: caches.distributions.store.list(),
        containers: caches.containers.store.list(),
        now: Date.now(),
      });
      const writes = plans.flatMap((plan) =>
        writesFor(client, plan, stores.get(plan.node.metadata.name), logger, signal),
      );
      await allOf(writes, writesAtOnce);
      return { requeueAfterSeconds: plans.every(({ done }) => done) ? undefined : lookAgainSeconds };
    },
  };
}

/** What must be written for one node, as one thing to do, because its parts have an order; empty when all is as planned. */
function writesFor(
  client: Client,
  plan: NodePlan,
  store: NodeStore | undefined,
  logger: Logger,
  signal: AbortSignal,
): (() => Promise<void>)[] {
  const { name, uid } = plan.node.metadata;
  const node = { name, ...(uid !== undefined && { uid }) };
  const relabel = !sameStatus(currentLabels(plan.node), plan.labels);
  const retell = !store || !sameStatus(store.spec.images, plan.images);
  if (!relabel && !retell) return [];
  return [
    async () => {
      // Labels first: no Pod may be sent any more to an image that the node is about to drop.
      if (relabel) {
        const asked = { metadata: { ...node, labels: plan.labels } };
        const labelled = await client.apply(nodes, asked, { fieldManager: fieldManagers.nodeLabels, signal });
        await removeForeignLabels(client, labelled, plan, signal);
        logger.info({ node: name, labels: Object.keys(plan.labels) }, 'Labelled node');
      }
      if (retell) {
        const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: uid ?? '' }];
        const told = { metadata: { name, ownerReferences }, spec: { images: plan.images } };
        await client.apply(nodeStores, told, { fieldManager: fieldManagers.operator, signal });
        logger.info({ node: name, images: plan.images.map((i) => `${i.os}:${i.version}`) }, 'Told node what to store');
      }
    },
  ];
}

/**
 * What others have labelled in our place stays after an apply: it would send Pods to an image that is not there. It is removed
 * from the revision that the apply has left, so that nothing newer is lost.
 */
async function removeForeignLabels(client: Client, node: Node, plan: NodePlan, signal: AbortSignal): Promise<void> {
  const foreign = Object.keys(currentLabels(node)).filter((key) => plan.labels[key] === undefined);
  if (foreign.length === 0) return;
  const { name, uid, resourceVersion } = node.metadata;
  const labels = Object.fromEntries(foreign.map((key) => [key, null]));
  const patch = { metadata: { uid, resourceVersion, labels } };
  await client.mergePatch(nodes, { name }, patch, { fieldManager: fieldManagers.nodeLabels, signal });
}

/** Makes all writes, so many at once, also when some fail; then throws the first failure. */
async function allOf(writes: readonly (() => Promise<void>)[], atOnce: number): Promise<void> {
  const failures: unknown[] = [];
  const waiting = writes.values();
  const worker = async () => {
    for (const write of waiting) await write().catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, writes.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Progress in bytes changes no plan. */
function imagesChanged(old: NodeStore, current: NodeStore): boolean {
  const seen = (store: NodeStore) => [
    store.spec,
    store.status?.images?.map(({ os, version, digest, state, attempts }) => [os, version, digest, state, attempts]),
  ];
  return !sameStatus(seen(old), seen(current));
}
