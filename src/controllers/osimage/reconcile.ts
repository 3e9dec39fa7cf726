import { labels } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Client } from '../../kube/client.ts';
import { osImages } from '../../kube/kinds.ts';
import { parseReference } from '../../api/images.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { MutationCache } from '../../runtime/mutation-cache.ts';
import { runPlan } from '../../runtime/plan.ts';
import type { Caches } from '../caches.ts';
import { DeletionExpectations } from '../deleted-objects.ts';
import { changedImages, changedLabels, distributionChanged, selectionChanged, withoutProgress } from '../predicates.ts';
import { writeStatus } from '../status.ts';
import { act, withFailures } from './act.ts';
import { observe, recall } from './observe.ts';
import type { Settings } from './observed.ts';
import { isOwned } from './owned.ts';
import type { Owned } from './owned.ts';
import { planOSImage } from './plan.ts';

export interface OSImageDependencies {
  client: Client;
  caches: Caches;
  settings: Settings;
  events: EventRecorder;
}

/** Builds, tests and publishes every OSImage, and keeps its status true. */
export function osImageController(
  deps: OSImageDependencies,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const { client, caches, settings, events } = deps;
  const all = () => caches.images.store.list().map((image) => image.metadata.name);
  const sameOS = (reference: string) => all().filter((name) => name.startsWith(`${parseReference(reference).os}.`));
  const imagesOfStage = ({ metadata }: KubeObject) =>
    metadata.labels?.[labels.step] === undefined ? [] : [metadata.labels[labels.image] ?? ''];
  const mutations = new MutationCache<OSImage>();
  const deletions = new DeletionExpectations<KubeObject>();
  const imageOf = (object: Owned) =>
    imagesOfStage(object).find((name) => {
      const image = caches.images.store.get(name);
      return image && isOwned(object, image);
    });
  return {
    name: 'osimage',
    sources: [
      watch(caches.images),
      watch(caches.stores, { keys: (store, other) => changedImages(store, other, withoutProgress) }),
      watch(caches.distributions, {
        keys: (distribution) => sameOS(distribution.spec.image),
        predicate: distributionChanged,
      }),
      watch(caches.nodes, { keys: all, predicate: selectionChanged }),
      watch(caches.nodes, { keys: changedLabels }),
      deletions.source(caches.jobs, imageOf),
      deletions.source(caches.pods, (pod) =>
        pod.metadata.namespace === settings.verificationNamespace ? imageOf(pod) : undefined,
      ),
      watch(caches.jobs, { keys: imagesOfStage }),
      watch(caches.pods, { keys: imagesOfStage }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const cached = caches.images.store.get(key);
      if (!cached) {
        deletions.forget(key);
        mutations.forget(key);
        return {};
      }
      // What was counted in the status must count also where a Job changes before the cache has that status.
      const image = mutations.get(cached);
      return runPlan({
        observed: recall(key, observe(caches, settings, image), deletions),
        plan: planOSImage,
        act: (action) => act({ client, namespace: settings.namespace, image, deletions, logger, signal }, action),
        withFailures,
        status: image.status,
        write: async (status) => mutations.mutated(image, await writeStatus(client, osImages, image, status, signal)),
        record: (event) => events.record(image, event),
        logger,
        signal,
      });
    },
  };
}
