import type { ImageDistribution } from '../../api/imagedistribution.ts';
import { imageName, parseReference } from '../../api/images.ts';
import { byOS, imageOf } from '../caches.ts';
import type { Caches } from '../caches.ts';
import type { Observed } from './observed.ts';
import type { WritePace } from './pace.ts';
import type { RolloutWriter } from './rollout/writer.ts';
import type { GateAnswer } from './rollout/observed.ts';
import { windowOf } from './rollout/windows.ts';

interface Sight {
  caches: Caches;
  writer: RolloutWriter;
  writePace: WritePace;
  distribution: ImageDistribution;
  answers: readonly GateAnswer[];
}

/** All that the plan looks at, from caches, with what was written last. */
export function observe({ caches, writer, writePace, distribution, answers }: Sight): Observed {
  const now = new Date();
  const { image, activate } = distribution.spec;
  const windows = activate.existingContainers?.windows;
  writer.prune((container) => caches.containers.store.get(container) !== undefined);
  const followers = activate.existingContainers
    ? caches.containers.store.byIndex(byOS, parseReference(image).os).map((it) => writer.newest(it))
    : [];
  return {
    distribution,
    image: imageOf(caches, image),
    find: (os, version) => imageOf(caches, imageName({ os, version })),
    nodes: caches.nodes.store.list(),
    stores: new Map(caches.stores.store.list().map((store) => [store.metadata.name, store])),
    now,
    estimateWaitMilliseconds: writePace.untilEstimate(distribution.metadata.name),
    countsWaitMilliseconds: writePace.untilWrite(distribution.metadata.name),
    fleet: {
      distributions: caches.distributions.store.list(),
      containers: followers,
      window: windowOf(windows, now),
      answers,
    },
  };
}
