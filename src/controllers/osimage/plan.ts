import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { OSImage, OSImageStatus } from '../../api/osimage.ts';
import { imageName } from '../../pod/image.ts';
import type { Node } from '../../pod/types.ts';
import { setCondition } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { defaultVersion, digestOf } from '../catalog.ts';
import { selectedNodes, storedImage } from '../storage.ts';
import { condemnedCondition } from './condemned.ts';

export interface Observed {
  image: OSImage;
  distributions: readonly ImageDistribution[];
  nodes: readonly Node[];
  stores: readonly NodeStore[];
  now: Date;
}

/** The status of an OSImage: facts that nodes reported of it, and whether containers may use it. */
export function planOSImage(o: Observed): OSImageStatus {
  const { image } = o;
  const stored = o.stores.map((store) => storedImage(store, image));
  const ready = stored.filter((s) => s?.state === 'Ready');
  // All nodes unpack the same bytes, so any report of them will do; it is kept when no node has them any more.
  const report = ready.find((s) => s?.layout);
  const before = image.status ?? {};
  const status: OSImageStatus = {
    observedGeneration: image.metadata.generation,
    digest: digestOf(image),
    layout: report?.layout ?? before.layout,
    defaults: image.spec.defaults ?? report?.defaults ?? before.defaults,
    hasMountScript: Boolean(image.spec.mountScript) || (report?.hasMountScript ?? before.hasMountScript),
    defaultVersion: defaultVersion(image.spec.os, o.distributions) === image.spec.version,
    nodes: { ready: ready.length, desired: desiredNodes(o).size },
  };
  const readiness = readyCondition(o, ready.length);
  const stated = [
    acceptedCondition(),
    publishedCondition(),
    condemnedCondition(image),
    readiness,
    ...progressConditions(readiness),
  ];
  const conditions = stated.reduce(
    (list, condition) => setCondition(list, { ...condition, observedGeneration: image.metadata.generation }, o.now),
    before.conditions ?? [],
  );
  return { ...status, conditions };
}

function desiredNodes({ image, distributions, nodes }: Observed): Set<string> {
  const name = imageName(image.spec);
  const mine = distributions.filter((d) => d.spec.image === name && d.metadata.deletionTimestamp === undefined);
  return new Set(mine.flatMap((d) => selectedNodes(d, image, nodes).map((node) => node.metadata.name)));
}

/** The API server refuses what does not make sense, so what arrives here is accepted. */
const acceptedCondition = (): NewCondition => ({
  type: 'Accepted',
  status: 'True',
  reason: 'Valid',
  message: 'The specification makes sense',
});

const publishedCondition = (): NewCondition => ({
  type: 'Published',
  status: 'True',
  reason: 'ExternalSource',
  message: 'The archive is where spec.source says',
});

function readyCondition(o: Observed, ready: number): NewCondition {
  if (ready > 0) return { type: 'Ready', status: 'True', reason: 'Stored', message: `${ready} nodes have it` };
  return { type: 'Ready', status: 'False', ...whyNotStored(o) };
}

/** kstatus: it comes by itself, or a person must act, or neither. */
function progressConditions(ready: NewCondition): NewCondition[] {
  const settled = (type: string): NewCondition => ({
    type,
    status: 'False',
    reason: 'Settled',
    message: 'Nothing is being changed',
  });
  const going = ready.status === 'False' && ready.reason === 'Distributing';
  // Not being distributed is what an image may be for long; that nodes cannot get it is for a person to mend.
  const stuck = ready.status === 'False' && !going && ready.reason !== 'NotDistributed';
  return [
    going ? { ...ready, type: 'Reconciling', status: 'True' } : settled('Reconciling'),
    stuck ? { ...ready, type: 'Stalled', status: 'True' } : settled('Stalled'),
  ];
}

function whyNotStored(o: Observed): { reason: string; message: string } {
  const name = imageName(o.image.spec);
  const desired = desiredNodes(o);
  if (!o.distributions.some((d) => d.spec.image === name)) {
    return {
      reason: 'NotDistributed',
      message: `No node stores it: create an ImageDistribution with spec.image ${name}`,
    };
  }
  if (desired.size === 0) {
    return {
      reason: 'NoNodes',
      message: `Its ImageDistribution selects no node of architecture ${o.image.spec.architecture}`,
    };
  }
  for (const store of o.stores) {
    const stored = storedImage(store, o.image);
    if (stored?.state === 'Failed') {
      return {
        reason: stored.reason ?? 'Failed',
        message: `No node could store it yet. ${store.metadata.name}: ${stored.message ?? ''}`,
      };
    }
  }
  return { reason: 'Distributing', message: `${desired.size} nodes shall have it; the first is fetching it` };
}
