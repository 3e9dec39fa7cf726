import type { OSImage } from '../../api/osimage.ts';
import { namedSecrets } from '../../api/defaults.ts';
import { imageName } from '../../api/images.ts';
import { kstatus } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { storedImage } from '../node-images.ts';
import { condemnedCondition } from './condemned.ts';
import { consistentCondition } from './facts.ts';
import type { Facts } from './facts.ts';
import { layoutCondition } from './layout.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Observed, Stated } from './observed.ts';
import { progressOf } from './reasons.ts';

/** What the conditions are computed from besides what was seen. */
export interface Counts {
  /** Nodes that have all of it. */
  ready: number;
  desired: number;
  facts: Facts;
}

/** All conditions; Ready and the two of kstatus sum up the others. */
export function conditionsOf(o: Observed, life: Lifecycle, counts: Counts): NewCondition[] {
  const ready = readiness(o, life, counts);
  return [
    accepted(o.image),
    ...life.conditions,
    ...consistentCondition(o, counts.facts),
    ...layoutCondition(o.image, counts.facts),
    condemnedCondition(o.image),
    ready,
    ...kstatus(ready, progressOf(ready.reason)),
  ];
}

/** The API server refuses what does not make sense; but what an earlier version has let through is there. */
function accepted({ spec }: OSImage): Stated {
  const type = 'Accepted';
  const names = namedSecrets(spec);
  if (names.length === 0) return { type, status: 'True', reason: 'Valid', message: 'The specification makes sense' };
  const message = `spec.defaults.env names Secrets or ConfigMaps, which would be those of every namespace in which it runs. Containers do not get the variables ${names.slice(0, 10).join(', ')}: set them in the HostedContainers`;
  return { type, status: 'False', reason: 'SecretInDefaults', message };
}

/** Containers may use it when it is tested and published, and a node has it. */
function readiness(o: Observed, life: Lifecycle, counts: Counts): Stated {
  const type = 'Ready';
  if (life.pending) {
    const { reason, message } = life.pending.condition;
    return { type, status: 'False', reason, message };
  }
  if (counts.ready > 0) return { type, status: 'True', reason: 'Stored', message: `${counts.ready} nodes have it` };
  return { type, status: 'False', ...whyNotStored(o, counts.desired) };
}

function whyNotStored(o: Observed, desired: number): { reason: string; message: string } {
  const name = imageName(o.image.spec);
  if (!o.distributions.some((d) => d.spec.image === name)) {
    return {
      reason: 'NotDistributed',
      message: `No node stores it: create an ImageDistribution with spec.image ${name}`,
    };
  }
  if (desired === 0) {
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
  return { reason: 'Distributing', message: `${desired} nodes should have it; the first is fetching it` };
}
