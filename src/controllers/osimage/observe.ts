import type { OSImage } from '../../api/osimage.ts';
import type { KubeObject } from '../../runtime/object.ts';
import { byStage } from '../caches.ts';
import type { Caches } from '../caches.ts';
import type { DeletionExpectations } from '../deleted-objects.ts';
import type { Observed, Settings } from './observed.ts';
import { isOwned } from './owned.ts';

/** All that the plan looks at, from caches. */
export function observe(caches: Caches, settings: Settings, image: OSImage): Observed {
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

/** What was observed, with the Jobs and the Pods of tests that others have deleted. */
export function recall(key: string, observed: Observed, deletions: DeletionExpectations<KubeObject>): Observed {
  const { jobs, pods, settings } = observed;
  const tests = pods.filter(({ metadata }) => metadata.namespace === settings.verificationNamespace);
  return { ...observed, deletedByOthers: deletions.see(key, [...jobs, ...tests]) };
}
