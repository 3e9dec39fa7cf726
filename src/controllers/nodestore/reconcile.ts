import type { NodeStore } from '../../api/nodestore.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';
import type { Client } from '../../kube/client.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { Pace } from '../../runtime/pace.ts';
import { runPlan } from '../../runtime/plan.ts';
import { sameStatus } from '../../runtime/status.ts';
import { monotonic } from '../../runtime/time.ts';
import type { Caches } from '../caches.ts';
import { distributionChanged, imageChanged, placementChanged } from '../predicates.ts';
import { onFailure, writeNode } from './act.ts';
import { concernsLabels } from './labels.ts';
import { indexPods, observe } from './observe.ts';
import { watchPins } from './pins.ts';
import { planNodeStores } from './plan.ts';
import { tellsOfPlugin } from './plugin-label.ts';

/** One key for the whole fleet: how many nodes fetch at once is a rule over all of them. */
const fleetKey = 'fleet';
const writesAtOnce = 8;

/** Tells every node what to store, and labels it with what it has. */
export function nodeStoreController(
  client: Client,
  caches: Caches,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const keys = () => [fleetKey];
  indexPods(caches);
  const pace = new Pace(monotonic);
  const nodeOf = ({ spec }: Pod) => caches.nodes.store.get(spec.nodeName ?? '');
  return {
    name: 'nodestore',
    sources: [
      watch(caches.nodes, { keys, predicate: placementChanged }),
      watch(caches.stores, { keys, predicate: imagesChanged }),
      watch(caches.images, { keys, predicate: imageChanged }),
      watch(caches.distributions, { keys, predicate: distributionChanged }),
      watch(caches.containers, watchPins(caches.containers.store, fleetKey)),
      watch(caches.pods, {
        keys: (pod) => (concernsLabels(pod, nodeOf(pod)) || tellsOfPlugin(pod) ? [fleetKey] : []),
      }),
    ],
    reconcile: async (_request, { logger, signal }) => {
      const rest = pace.rest(fleetKey);
      if (rest > 0) return { requeueAfterSeconds: rest / 1000, postponed: true };
      const latest = (node: Node) => {
        const found = caches.nodes.store.get(node.metadata.name);
        return found?.metadata.uid === node.metadata.uid ? (found ?? node) : node;
      };
      return runPlan({
        observed: pace.look(fleetKey, () => observe(caches)),
        plan: (observed) => pace.look(fleetKey, () => planNodeStores(observed)),
        act: ({ plan, store }) => writeNode(plan, latest(plan.node), store, { client, logger, signal }),
        onFailure: (_action, error) => onFailure(error),
        status: undefined,
        parallelActions: writesAtOnce,
        logger,
        signal,
      });
    },
  };
}

/** Progress in bytes changes no plan. */
function imagesChanged(old: NodeStore, current: NodeStore): boolean {
  const seen = (store: NodeStore) => [
    store.spec,
    store.status?.directMounts,
    store.status?.directMountsTime,
    store.status?.images?.map(({ os, version, digest, state, attempts }) => [os, version, digest, state, attempts]),
  ];
  return !sameStatus(seen(old), seen(current));
}
