import { labels } from '../../api/names.ts';
import type { HostedContainer } from '../../api/hostedcontainer.ts';
import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { OSImage } from '../../api/osimage.ts';
import type { Client } from '../../kube/client.ts';
import { hostedContainers } from '../../kube/kinds.ts';
import { parseReference } from '../../api/images.ts';
import { usableImage } from '../../pod/usable-image.ts';
import { findCondition, isTrue } from '../../runtime/conditions.ts';
import type { Condition } from '../../runtime/conditions.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import type { EventNotice, EventRecorder } from '../../runtime/events.ts';
import { actThenWriteStatus, sameStatus } from '../../runtime/status.ts';
import { keyOf } from '../../runtime/object.ts';
import { MutationCache } from '../../runtime/mutation-cache.ts';
import { byOS } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { condemnation } from '../images.ts';
import { placementChanged } from '../predicates.ts';
import { writeStatus } from '../status.ts';
import { perform, withFailures } from './act.ts';
import { PodDeletionExpectations } from './deleted-pods.ts';
import { answer, observe } from './observe.ts';
import type { PodSettings } from './observed.ts';
import { planHostedContainer } from './plan.ts';
import { SpecReverts } from './spec-reverts.ts';
import { WaitingForNodes } from './waiting.ts';

export interface HostedContainerDependencies {
  client: Client;
  caches: Caches;
  settings: PodSettings;
  events: EventRecorder;
}

/** Runs the one Pod of every HostedContainer. */
export function hostedContainerController(
  deps: HostedContainerDependencies,
): Pick<ControllerOptions, 'name' | 'sources' | 'reconcile'> {
  const { client, caches, settings, events } = deps;
  const keysOfOS = (os: string) =>
    caches.containers.store.byIndex(byOS, os).map((container) => keyOf(container.metadata));
  const waiting = new WaitingForNodes();
  const deletions = new PodDeletionExpectations();
  const reverts = new SpecReverts();
  const mutations = new MutationCache<HostedContainer>();
  let leadingSince: Date | undefined;
  return {
    name: 'hostedcontainer',
    sources: [
      watch(caches.containers),
      watch(caches.pods, {
        keys: ({ metadata }) => [
          keyOf({ namespace: metadata.namespace, name: metadata.labels?.[labels.hostedContainer] ?? metadata.name }),
        ],
      }),
      // All that follow a version hear of it, and most of them only write that: who upgrades or goes back comes first.
      watch(caches.images, { keys: (image) => keysOfOS(image.spec.os), predicate: usabilityChanged, priority: 'low' }),
      watch(caches.distributions, {
        keys: (distribution) => keysOfOS(parseReference(distribution.spec.image).os),
        predicate: (old, current) => !sameStatus(whatFollowersSee(old), whatFollowersSee(current)),
        priority: 'low',
      }),
      watch(caches.claims, {
        keys: ({ metadata }) => [
          keyOf({ namespace: metadata.namespace, name: metadata.labels?.[labels.hostedContainer] ?? '' }),
        ],
      }),
      watch(caches.nodes, { keys: () => waiting.keys(), predicate: placementChanged, priority: 'low' }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const cached = caches.containers.store.get(key);
      if (!cached) {
        deletions.forget(key);
        reverts.forget(key);
        mutations.forget(key);
        waiting.forget(key);
        return {};
      }
      const container = mutations.get(cached);
      leadingSince ??= new Date();
      waiting.begin(key);
      const seen = { ...(await observe(client, caches, settings, container, signal)), leadingSince };
      let observed = reverts.mark(deletions.mark(seen));
      let plan = planHostedContainer(observed);
      while (plan.query) {
        observed = await answer(client, observed, plan.query, signal);
        plan = planHostedContainer(observed);
      }
      const results = await perform(client, container, plan.actions, {
        logger,
        signal,
        done: (action) => {
          if (action.type === 'DeletePod') deletions.add(key, action.uid, new Date());
          if (action.type === 'RevertSpec') reverts.add(container);
        },
      });
      // What was refused is reported; the Pod was brought back all the same.
      const reported =
        results.failures.length > 0 ? planHostedContainer(withFailures(observed, results.failures)) : plan;
      if (!reported.query) plan = reported;
      const { status, events: notices, requeueAfterSeconds } = plan;
      waiting.planned(key, status);
      await actThenWriteStatus({
        observed: container.status,
        act: () => (results.error ? Promise.reject(results.error) : Promise.resolve()),
        status: () => status,
        write: async () => {
          const written = await writeStatus(client, hostedContainers, results.container, status, signal);
          mutations.mutated(container, written);
          recordEvents(events, container, notices);
        },
      });
      return { requeueAfterSeconds };
    },
  };
}

function recordEvents(events: EventRecorder, container: HostedContainer, notices: readonly EventNotice[]): void {
  for (const notice of notices) events.record(container, notice);
}

/** How many nodes have an image changes nothing for who runs it. */
function usabilityChanged(old: OSImage, current: OSImage): boolean {
  const seen = (image: OSImage) => [usableImage(image), condemnation(image), progressOf(image.status?.conditions)];
  return !sameStatus(seen(old), seen(current));
}

/** What is reported of an object that others wait for. */
const progressOf = (conditions: readonly Condition[] | undefined) => [
  findCondition(conditions, 'Ready')?.reason,
  isTrue(conditions, 'Reconciling'),
];

/** Which version is the default, and whom the distribution moves to it; how far it has come is nothing to them. */
const whatFollowersSee = ({ metadata, spec, status }: ImageDistribution) => [
  metadata.deletionTimestamp,
  status?.activeImage,
  // Until there is a default version its followers learn what keeps it.
  ...(status?.activeImage === undefined ? progressOf(status?.conditions) : []),
  spec.activate.newContainers,
  spec.activate.existingContainers && { selector: spec.activate.existingContainers.selector },
];
