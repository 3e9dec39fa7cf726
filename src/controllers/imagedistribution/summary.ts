import type { OSImage } from '../../api/osimage.ts';
import { above } from '../../runtime/condition-table.ts';
import type { Finding, Stated } from '../../runtime/condition-table.ts';
import { isTrue } from '../../runtime/conditions.ts';
import type { Progress } from '../../runtime/conditions.ts';
import { needsPerson } from '../ends.ts';
import { whyNotReleased } from '../images.ts';
import type { Observed } from './observed.ts';
import { endOf } from './reasons.ts';
import type { RolloutPlan, RolloutReason } from './rollout/observed.ts';

interface Input {
  o: Observed;
  rollout: RolloutPlan | undefined;
}

/** It is for another distribution to move containers: nothing is missing here. */
const othersTurn: readonly RolloutReason[] = ['Superseded', 'OtherHalted'];

/** What a person wants to wait is settled, as a suspended container is. */
export function wanted(input: Input, stated: readonly Stated[]): Finding | undefined {
  const missing = missingOf(input, stated);
  return missing && endOf(missing.reason) === 'Wanted' ? { ...missing, status: 'True' } : undefined;
}

export function missing(input: Input, stated: readonly Stated[]): Finding | undefined {
  return missingOf(input, stated);
}

export function done({ rollout }: Input, stated: readonly Stated[]): Finding {
  return above(stated, rollout?.reason === 'RolledOut' ? 'RolledOut' : 'Distributed');
}

/** The first of what it asks for and has not reached; a halt comes before all else. */
function missingOf({ o, rollout }: Input, stated: readonly Stated[]): Stated | undefined {
  const rolledOut = rollout && !othersTurn.includes(rollout.reason) ? above(stated, 'RolledOut') : undefined;
  if (rolledOut?.reason === 'RolloutHalted') return rolledOut;
  const activated = above(stated, 'Activated');
  // That another version is above it is nothing that is missing here.
  const mustBeActive = o.distribution.spec.activate.newContainers && activated.reason !== 'Superseded';
  const asked = [above(stated, 'Distributed'), ...(mustBeActive ? [activated] : []), rolledOut];
  return asked.find((condition) => condition && condition.status !== 'True');
}

/** What it means for Reconciling and Stalled. */
export function progressOf({ o }: Input, ready: Stated): Progress {
  if (ready.status === 'True') return 'Done';
  return needsPerson(endOf(ready.reason), { waits: isAtWork(o, ready) }) ? 'Failed' : 'Going';
}

/** Of a reason that depends: neither does its image wait for a person, nor is it never to be a default version. */
const isAtWork = (o: Observed, ready: Stated): boolean => !isStuck(o.image) && !isNeverActive(o, ready);

/** Existing containers should be moved to what is not to become a default version. */
const isNeverActive = (o: Observed, { reason }: Stated): boolean =>
  reason === 'NotActivated' && !o.distribution.spec.activate.newContainers;

/** Its image waits for a person, before it may be distributed. */
const isStuck = (image: OSImage | undefined): boolean =>
  image !== undefined && whyNotReleased(image) !== undefined && isTrue(image.status?.conditions, 'Stalled');
