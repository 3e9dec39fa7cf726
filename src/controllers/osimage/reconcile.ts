import { labels } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Client } from '../../kube/client.ts';
import { osImages } from '../../kube/kinds.ts';
import { imageObjectName, parseReference } from '../../api/images.ts';
import type { Node } from '../../api/kubernetes/objects.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { MutationCache } from '../../runtime/mutation-cache.ts';
import { Pace } from '../../runtime/pace.ts';
import { runPlan } from '../../runtime/plan.ts';
import { monotonic } from '../../runtime/time.ts';
import type { Caches } from '../caches.ts';
import { DeletionExpectations } from '../deleted-objects.ts';
import { maySelect } from '../node-images.ts';
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
  /** Those that a distribution puts on the node, and those that may be tested there. Asked for a node as it was and as it is. */
  const concernedBy = (node: Node) => [
    ...caches.distributions.store
      .list()
      .filter((it) => maySelect(it, node))
      .map(({ spec }) => imageObjectName(versionOf(spec.image))),
    ...caches.images.store.list().filter(isUnderTest).map(({ metadata }) => metadata.name), // prettier-ignore
  ];
  const imagesOfStage = ({ metadata }: KubeObject) =>
    metadata.labels?.[labels.step] === undefined ? [] : [metadata.labels[labels.image] ?? ''];
  const mutations = new MutationCache<OSImage>();
  const pace = new Pace(monotonic);
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
      watch(caches.nodes, { keys: concernedBy, predicate: selectionChanged }),
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
        pace.forget(key);
        return {};
      }
      const rest = pace.rest(key);
      if (rest > 0) return { requeueAfterSeconds: rest / 1000, postponed: true };
      // What was counted in the status must count also where a Job changes before the cache has that status.
      const image = mutations.get(cached);
      return runPlan({
        observed: pace.look(key, () => recall(key, observe(caches, settings, image), deletions)),
        plan: (observed) => pace.look(key, () => planOSImage(observed)),
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

const versionOf = (reference: string) => ({ version: '', ...parseReference(reference) });

/** It has a test, and has not passed it. */
const isUnderTest = ({ spec, status }: OSImage): boolean =>
  spec.verification !== undefined && status?.verification?.outcome !== 'Passed';
