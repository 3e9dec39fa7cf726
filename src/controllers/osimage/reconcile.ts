import { osImages } from '../../kube/kinds.ts';
import type { Client } from '../../kube/client.ts';
import { imageObjectName, parseReference } from '../../pod/image.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { actThenWriteStatus } from '../../runtime/status.ts';
import { placementChanged } from '../changes.ts';
import type { Caches } from '../caches.ts';
import { writeStatus } from '../status.ts';
import { planOSImage } from './plan.ts';

/** Keeps the status of every OSImage true. */
export function osImageController(
  client: Client,
  caches: Caches,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const all = () => caches.images.store.list().map((image) => image.metadata.name);
  const sameOS = (reference: string) => all().filter((name) => name.startsWith(`${parseReference(reference).os}.`));
  return {
    name: 'osimage',
    sources: [
      watch(caches.images),
      watch(caches.stores, {
        keys: (store) => [...store.spec.images, ...(store.status?.images ?? [])].map(imageObjectName),
      }),
      watch(caches.distributions, { keys: (distribution) => sameOS(distribution.spec.image) }),
      watch(caches.nodes, { keys: all, when: placementChanged }),
    ],
    reconcile: async ({ key }, { signal }) => {
      const image = caches.images.store.get(key);
      if (!image) return {};
      const status = planOSImage({
        image,
        distributions: caches.distributions.store.list(),
        nodes: caches.nodes.store.list(),
        stores: caches.stores.store.list(),
        now: new Date(),
      });
      await actThenWriteStatus({
        observed: image.status,
        act: () => Promise.resolve(),
        status: () => status,
        write: (next) => writeStatus(client, osImages, image, next, signal),
      });
      return {};
    },
  };
}
