import type { Logger } from 'pino';
import { fieldManagers, labels } from '../../api/names.ts';
import type { OSImage } from '../../api/osimage.ts';
import { isAlreadyExists } from '../../kube/client.ts';
import type { Client } from '../../kube/client.ts';
import { osImages } from '../../kube/kinds.ts';
import type { Resource } from '../../kube/resources.ts';
import { parseReference } from '../../api/images.ts';
import type { OwnerReference } from '../../api/kubernetes/objects.ts';
import { watch } from '../../runtime/controller.ts';
import type { ControllerOptions } from '../../runtime/controller.ts';
import { isRefusal } from '../../runtime/errors.ts';
import type { EventRecorder } from '../../runtime/events.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { actThenWriteStatus } from '../../runtime/status.ts';
import { byStage, configMaps, jobs, pods } from '../caches.ts';
import type { Caches } from '../caches.ts';
import { DeletionExpectations } from '../deleted-objects.ts';
import { changedImages, changedLabels, distributionChanged, selectionChanged, withoutProgress } from '../predicates.ts';
import { writeStatus } from '../status.ts';
import { eventsFor } from './events.ts';
import type { Action, Observed, Settings } from './observed.ts';
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
  const testNamespace = settings.verificationNamespace;
  const deletions = new DeletionExpectations<KubeObject>();
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
      watch(caches.jobs, { keys: imagesOfStage }),
      watch(caches.pods, { keys: imagesOfStage }),
    ],
    reconcile: async ({ key }, { logger, signal }) => {
      const image = caches.images.store.get(key);
      if (!image) {
        deletions.forget(key);
        return {};
      }
      const seen = observe(caches, settings, image);
      const made = [...seen.jobs, ...seen.pods.filter(({ metadata }) => metadata.namespace === testNamespace)];
      const observed = { ...seen, deletedByOthers: deletions.see(key, made) };
      const plan = planOSImage(observed);
      await actThenWriteStatus({
        observed: image.status,
        act: async () => {
          for (const action of plan.actions) {
            await act({ client, namespace: settings.namespace, image, logger, signal }, action);
            if (action.type === 'DeleteJob' || action.type === 'DeletePod') deletions.add(key, action, new Date());
          }
        },
        // What the API server would not have is reported; it is tried again all the same.
        status: (error) =>
          isRefusal(error) ? planOSImage({ ...observed, refusal: error.message }).status : plan.status,
        write: async (next) => {
          await writeStatus(client, osImages, image, next, signal);
          for (const event of eventsFor(image.status, next)) events.record(image, event);
        },
      });
      return { requeueAfterSeconds: plan.requeueAfterSeconds };
    },
  };
}

function observe(caches: Caches, settings: Settings, image: OSImage): Observed {
  const { name } = image.metadata;
  const mine = caches.jobs.store.byIndex(byStage, name).filter((job) => isOwned(job, image));
  const uids = new Set(mine.map(({ metadata }) => metadata.uid));
  return {
    image,
    distributions: caches.distributions.store.list(),
    nodes: caches.nodes.store.list(),
    stores: caches.stores.store.list(),
    jobs: mine,
    pods: caches.pods.store
      .byIndex(byStage, name)
      .filter((pod) => isOwned(pod, image) || pod.metadata.ownerReferences?.some(({ uid }) => uids.has(uid))),
    settings,
    now: new Date(),
  };
}

interface Owned extends KubeObject {
  metadata: KubeObject['metadata'] & { ownerReferences?: OwnerReference[] };
}

/** An OSImage of the same name that is gone may have left something. */
const isOwned = ({ metadata }: Owned, image: OSImage): boolean =>
  metadata.ownerReferences?.some(({ uid }) => uid === image.metadata.uid) ?? false;

/** What is needed to do something for one image. */
interface Doer {
  client: Client;
  namespace: string;
  image: OSImage;
  logger: Logger;
  signal: AbortSignal;
}

async function act({ client, namespace, ...doer }: Doer, action: Action): Promise<void> {
  const { logger, signal } = doer;
  switch (action.type) {
    case 'CreateConfigMap':
      await createOnce({ client, namespace, ...doer }, configMaps, action.configMap);
      return;
    case 'CreateJob':
      await createOnce({ client, namespace, ...doer }, jobs, action.job);
      return;
    case 'CreatePod':
      await createOnce({ client, namespace, ...doer }, pods, action.pod);
      return;
    case 'DeleteJob': {
      const at = { namespace, name: action.name };
      // Its Pods go with it.
      await client.delete(jobs, at, { uid: action.uid, propagationPolicy: 'Background', signal });
      logger.info({ job: action.name }, 'Deleted Job');
      return;
    }
    case 'DeletePod':
      await client.delete(pods, { namespace: action.namespace, name: action.name }, { uid: action.uid, signal });
      logger.info({ pod: action.name }, 'Deleted Pod');
      return;
  }
}

/** Creates it unless it is there: what was made before a crash, or is not in the cache yet, is as good. */
async function createOnce<T extends Owned>(doer: Doer, resource: Resource<T>, object: T): Promise<void> {
  const { client, image, logger, signal } = doer;
  try {
    await client.create(resource, object, { fieldManager: fieldManagers.operator, signal });
    logger.info({ kind: object.kind, name: object.metadata.name }, 'Created');
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const there = await client.get(resource, object.metadata, { signal });
    if (there && !isOwned(there, image)) throw error;
  }
}
