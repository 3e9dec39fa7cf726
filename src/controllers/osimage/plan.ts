import type { OSImageStatus } from '../../api/osimage.ts';
import { imageName } from '../../api/images.ts';
import { setConditions } from '../../runtime/conditions.ts';
import { defaultVersion } from '../default-version.ts';
import { digestOf } from '../images.ts';
import { selectedNodes, storedImage } from '../node-images.ts';
import { conditionsOf } from './conditions.ts';
import { eventsFor } from './events.ts';
import { factsOf } from './facts.ts';
import { planLifecycle } from './lifecycle.ts';
import type { Observed, Plan } from './observed.ts';

export type { Observed, Plan } from './observed.ts';

/** What is next in the life of an image, facts that nodes reported of it, and whether containers may use it. */
export function planOSImage(o: Observed): Plan {
  const before = o.image.status ?? {};
  const life = planLifecycle(o);
  // From here on the image is as this run leaves it.
  const image = { ...o.image, status: { ...before, ...life.status } };
  const now = { ...o, image };
  const stored = o.stores.map((store) => storedImage(store, image));
  const ready = stored.filter((s) => s?.state === 'Ready');
  const facts = factsOf(o, image);
  const desired = desiredNodes(now).size;
  const status: OSImageStatus = {
    observedGeneration: image.metadata.generation,
    digest: digestOf(image),
    ...facts,
    defaultVersion: defaultVersion(image.spec.os, o.distributions) === image.spec.version,
    nodes: { ready: ready.length, desired },
    ...life.status,
  };
  const stated = conditionsOf({ o: now, life, facts, ready: ready.length, desired });
  const conditions = setConditions(before.conditions, stated, image.metadata.generation, o.now);
  const planned = { ...status, conditions };
  return {
    // One that is going takes all that is its own along.
    actions: image.metadata.deletionTimestamp === undefined ? life.actions : [],
    status: planned,
    events: eventsFor(o.image.status, planned),
    ...(life.requeueAfterSeconds !== undefined && { requeueAfterSeconds: life.requeueAfterSeconds }),
  };
}

function desiredNodes({ image, distributions, nodes }: Observed): Set<string> {
  const name = imageName(image.spec);
  const mine = distributions.filter((d) => d.spec.image === name && d.metadata.deletionTimestamp === undefined);
  return new Set(mine.flatMap((d) => selectedNodes(d, image, nodes).map((node) => node.metadata.name)));
}
