import type { Logger } from 'pino';
import { fieldManagers } from '../../api/names.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Node, OwnerReference, Pod } from '../../api/kubernetes/objects.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/client.ts';
import type { Client } from '../../kube/client.ts';
import { nodeStores } from '../../kube/kinds.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { sameStatus } from '../../runtime/status.ts';
import { nodes } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { distributionChanged, imageChanged, placementChanged } from '../predicates.ts';
import { watchPins } from './pins.ts';
import type { SeenNodeStore } from '../node-images.ts';
import { concernsLabels } from './labels.ts';
import { planFleet } from './plan.ts';
import type { NodePlan } from './plan.ts';
import { ownershipOf, writesFor } from './writes.ts';
import type { NodeWrite } from './writes.ts';

/** One key for the whole fleet: how many nodes fetch at once is a rule over all of them. */
const fleetKey = 'fleet';
/** Index of Pods. */
const byNode = 'node';
const writesAtOnce = 8;
/** While a node is getting something: its agent may fall silent, and that makes no event. */
const requeueAfterSeconds = 60;
/** A heartbeat of a node makes no event, and yet a new revision. */
const lostRaceSeconds = 1;

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
      watch(caches.nodes, { keys, predicate: placementChanged }),
      watch(caches.stores, { keys, predicate: imagesChanged }),
      watch(caches.images, { keys, predicate: imageChanged }),
      watch(caches.distributions, { keys, predicate: distributionChanged }),
      watch(caches.containers, watchPins(caches.containers.store, fleetKey)),
      watch(caches.pods, { keys: (pod) => (concernsLabels(pod, nodeOf(pod)) ? [fleetKey] : []) }),
    ],
    reconcile: async (_request, { logger, signal }) => {
      const all = caches.nodes.store.list();
      const known = new Map(caches.stores.store.list().map((store) => [store.metadata.name, store]));
      const plans = planFleet({
        nodes: all,
        pods: new Map(all.map(({ metadata: { name } }) => [name, caches.pods.store.byIndex(byNode, name)])),
        stores: ownStores(all, known),
        images: caches.images.store.list(),
        distributions: caches.distributions.store.list(),
        containers: caches.containers.store.list(),
        now: Date.now(),
      });
      const latest = (node: Node) => {
        const found = caches.nodes.store.get(node.metadata.name);
        return found?.metadata.uid === node.metadata.uid ? (found ?? node) : node;
      };
      const writes = plans.map((plan) => async () => {
        const { node } = plan;
        for (const write of writesFor(plan, latest(node), known.get(node.metadata.name)))
          await make(write, plan, { client, logger, signal });
      });
      const failures = await allOf(writes, writesAtOnce);
      const faults = failures.filter((error) => !isLostRace(error));
      if (faults.length > 0) throw faults[0];
      if (failures.length > 0) return { requeueAfterSeconds: lostRaceSeconds };
      return { requeueAfterSeconds: plans.every(({ done }) => done) ? undefined : requeueAfterSeconds };
    },
  };
}

/** What is reported of a node that was deleted and came back under its name does not count for this one. */
const ownStores = (nodes: readonly Node[], stores: ReadonlyMap<string, SeenNodeStore>): Map<string, SeenNodeStore> =>
  new Map(
    nodes.flatMap((node) => {
      const store = stores.get(node.metadata.name);
      return store && ownershipOf(store, node) !== 'Former' ? [[node.metadata.name, store] as const] : [];
    }),
  );

/** The object has changed, or has come or gone, since it was looked at: what is to be written then is another question. */
const isLostRace = (error: unknown): boolean => isConflict(error) || isAlreadyExists(error) || isNotFound(error);

interface Maker {
  client: Client;
  logger: Logger;
  signal: AbortSignal;
}

async function make(write: NodeWrite, { node, images }: NodePlan, { client, logger, signal }: Maker): Promise<void> {
  const { name } = node.metadata;
  const operator = { fieldManager: fieldManagers.operator, signal };
  switch (write.type) {
    case 'PatchLabels':
      await client.mergePatch(nodes, { name }, write.patch, { fieldManager: fieldManagers.nodeLabels, signal });
      logger.info({ node: name, labels: write.labels }, 'Labelled node');
      return;
    case 'AdoptStore':
      await client.mergePatch(nodeStores, { name }, write.patch, operator);
      logger.info({ node: name }, 'Made the node the owner of its NodeStore');
      return;
    case 'CreateStore':
      await client.create(nodeStores, { metadata: { name, ...owned(write) }, spec: { images } }, operator);
      break;
    case 'ReplaceImages':
      await client.jsonPatch(nodeStores, { name }, write.operations, operator);
  }
  logger.info({ node: name, images: images.map((i) => `${i.os}:${i.version}`) }, 'Updated NodeStore');
}

/** Owners are no part of the metadata that the runtime knows of. */
const owned = ({ ownerReferences }: { ownerReferences: OwnerReference[] }): object => ({ ownerReferences });

/** Makes all writes, so many at once, also when some fail, and gives what these have failed with. */
async function allOf(writes: readonly (() => Promise<void>)[], atOnce: number): Promise<unknown[]> {
  const failures: unknown[] = [];
  const waiting = writes.values();
  const worker = async () => {
    for (const write of waiting) await write().catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, writes.length) }, worker));
  return failures;
}

/** Progress in bytes changes no plan. */
function imagesChanged(old: NodeStore, current: NodeStore): boolean {
  const seen = (store: NodeStore) => [
    store.spec,
    store.status?.images?.map(({ os, version, digest, state, attempts }) => [os, version, digest, state, attempts]),
  ];
  return !sameStatus(seen(old), seen(current));
}
