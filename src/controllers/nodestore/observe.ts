import type { Node } from '../../api/kubernetes/objects.ts';
import type { Caches } from '../caches.ts';
import type { SeenNodeStore } from '../node-images.ts';
import type { Observed } from './observed.ts';
import { ownershipOf } from './writes.ts';

/** Index of Pods. */
const byNode = 'node';

/** Indexes the Pods by their nodes. To be called once, before the caches are filled. */
export function indexPods(caches: Caches): void {
  caches.pods.store.addIndex(byNode, ({ spec }) => (spec.nodeName === undefined ? [] : [spec.nodeName]));
}

/** The whole fleet, from caches. */
export function observe(caches: Caches): Observed {
  const all = caches.nodes.store.list();
  const allStores = new Map(caches.stores.store.list().map((store) => [store.metadata.name, store]));
  return {
    nodes: all,
    pods: new Map(all.map(({ metadata: { name } }) => [name, caches.pods.store.byIndex(byNode, name)])),
    allStores,
    stores: ownStores(all, allStores),
    images: caches.images.store.list(),
    distributions: caches.distributions.store.list(),
    containers: caches.containers.store.list(),
    now: Date.now(),
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
