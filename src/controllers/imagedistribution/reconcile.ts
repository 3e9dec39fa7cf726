import { imageDistributions } from '../../kube/kinds.ts';
import type { Client } from '../../kube/client.ts';
import { imageName } from '../../pod/image.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { actThenWriteStatus } from '../../runtime/status.ts';
import { imageOf } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { placementChanged } from '../changes.ts';
import { writeStatus } from '../status.ts';
import { planImageDistribution, progressMilliseconds } from './plan.ts';

/** Keeps the status of every ImageDistribution true, and with it which version is the default. */
export function imageDistributionController(
  client: Client,
  caches: Caches,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const all = caches.distributions.store.list.bind(caches.distributions.store);
  const naming = (images: readonly { os: string; version: string }[]) => {
    const names = new Set(images.map(imageName));
    return all().filter((d) => names.has(d.spec.image)).map((d) => d.metadata.name); // prettier-ignore
  };
  return {
    name: 'imagedistribution',
    sources: [
      watch(caches.distributions),
      watch(caches.images, { keys: (image) => naming([image.spec]) }),
      watch(caches.stores, { keys: (store) => naming([...store.spec.images, ...(store.status?.images ?? [])]) }),
      watch(caches.nodes, { keys: () => all().map((d) => d.metadata.name), when: placementChanged }),
    ],
    reconcile: async ({ key }, { signal }) => {
      const distribution = caches.distributions.store.get(key);
      if (!distribution) return {};
      const status = planImageDistribution({
        distribution,
        image: imageOf(caches, distribution.spec.image),
        nodes: caches.nodes.store.list(),
        stores: new Map(caches.stores.store.list().map((store) => [store.metadata.name, store])),
        now: new Date(),
      });
      await actThenWriteStatus({
        observed: distribution.status,
        act: () => Promise.resolve(),
        status: () => status,
        write: (next) => writeStatus(client, imageDistributions, distribution, next, signal),
      });
      // Progress that was not told yet, and agents that may fall silent.
      return { requeueAfterSeconds: status.nodes?.active ? progressMilliseconds / 1000 : undefined };
    },
  };
}
