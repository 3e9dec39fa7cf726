import { labels } from '../../api/names.ts';
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
import type { EventRecorder } from '../../runtime/events.ts';
import { runPlan } from '../../runtime/plan.ts';
import { sameStatus } from '../../runtime/status.ts';
import { keyOf } from '../../runtime/object.ts';
import { byOS } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { condemnation } from '../images.ts';
import { placementChanged } from '../predicates.ts';
import { writeStatus } from '../status.ts';
import { act, onFailure, withFailures } from './act.ts';
import { Memory } from './memory.ts';
import { answer, observe } from './observe.ts';
import type { PodSettings } from './observed.ts';
import { planHostedContainer } from './plan.ts';

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
  const memory = new Memory();
  return {
    name: 'hostedcontainer',
    sources: [
      watch(caches.containers),
      memory.podSource(caches.pods, (key) => caches.containers.store.get(key) !== undefined),
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
      watch(caches.nodes, { keys: () => memory.keysWaitingForNodes(), predicate: placementChanged, priority: 'low' }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const cached = caches.containers.store.get(key);
      if (!cached) {
        memory.forget(key);
        return {};
      }
      const container = memory.begin(cached);
      let current = container;
      return runPlan({
        observed: memory.recall(await observe(client, caches, settings, container, signal)),
        plan: planHostedContainer,
        answer: (observed, queries) => answer(client, observed, queries, signal),
        act: async (action) => {
          const before = current;
          current = await act(client, before, action, logger, signal);
          memory.done(before, action, new Date());
        },
        onFailure,
        withFailures,
        decided: (plan) => memory.decided(key, plan),
        status: container.status,
        write: async (status) =>
          memory.written(container, await writeStatus(client, hostedContainers, current, status, signal)),
        record: (event) => events.record(container, event),
        logger,
        signal,
      });
    },
  };
}

/** How many nodes have an image changes nothing for who runs it. */
function usabilityChanged(old: OSImage, current: OSImage): boolean {
  const seen = (image: OSImage) => [usableImage(image), condemnation(image), progressOf(image.status?.conditions)];
  return !sameStatus(seen(old), seen(current));
}

/** The parts of an object that other controllers wait for. */
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
