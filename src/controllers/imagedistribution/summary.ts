import type { OSImage } from '../../api/osimage.ts';
import { isTrue, kstatus } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
import { whyNotReleased } from '../catalog.ts';
import type { RolloutPlan, RolloutReason } from '../rollout/observed.ts';
import type { Observed } from './plan.ts';

interface Parts {
  distributed: NewCondition;
  activated: NewCondition;
  rollout: RolloutPlan | undefined;
}

/** What the rollout says of itself; nothing when existing containers are not to be moved. */
export function rolloutConditions(rollout: RolloutPlan | undefined): NewCondition[] {
  if (!rollout) return [];
  const halted = rollout.reason === 'RolloutHalted';
  return [
    rolledOutCondition(rollout),
    halted
      ? {
          type: 'RolloutHalted',
          status: 'True',
          reason: rollout.rollout?.haltReason ?? 'Halted',
          message: rollout.message,
        }
      : { type: 'RolloutHalted', status: 'False', reason: 'NotHalted', message: 'Nothing has stopped it' },
  ];
}

const rolledOutCondition = ({ reason, message }: RolloutPlan): NewCondition => ({
  type: 'RolledOut',
  status: reason === 'RolledOut' ? 'True' : 'False',
  reason,
  message,
});

/** It is for another distribution to move containers: nothing is missing here. */
const othersTurn: readonly RolloutReason[] = ['Superseded', 'OtherHalted'];
const needsAPerson = new Set([
  'UnknownImage',
  'EmptySelector',
  'NoNodes',
  'ContainersStuck',
  'RolloutHalted',
  'ImageCondemned',
]);

/** Ready and the two kstatus conditions, from the others. */
export function summary(o: Observed, parts: Parts, { failed }: { failed: number }): NewCondition[] {
  const missing = missingOf(o, parts);
  const done = parts.rollout?.reason === 'RolledOut' ? rolledOutCondition(parts.rollout) : parts.distributed;
  const stalled =
    missing !== undefined &&
    (failed > 0 || needsAPerson.has(missing.reason) || isNeverActive(o, missing) || isStuck(o.image));
  const ready: NewCondition = { ...(missing ?? done), type: 'Ready' };
  return [ready, ...kstatus(ready, stalled ? 'Failed' : missing ? 'Going' : 'Done')];
}

/** The first of what it asks for and has not reached; a halt comes before all else. */
function missingOf(o: Observed, { distributed, activated, rollout }: Parts): NewCondition | undefined {
  const rolledOut = rollout && !othersTurn.includes(rollout.reason) ? rolledOutCondition(rollout) : undefined;
  if (rolledOut?.reason === 'RolloutHalted') return rolledOut;
  // That another version is above it is nothing that is missing here.
  const mustBeActive = o.distribution.spec.activate.newContainers && activated.reason !== 'Superseded';
  const asked = [distributed, ...(mustBeActive ? [activated] : []), rolledOut];
  return asked.find((condition) => condition && condition.status !== 'True');
}

/** Existing containers shall be moved to what is not to become a default version. */
const isNeverActive = (o: Observed, { reason }: NewCondition): boolean =>
  reason === 'NotActivated' && !o.distribution.spec.activate.newContainers;

/** Its image waits for a person, before it may be distributed. */
const isStuck = (image: OSImage | undefined): boolean =>
  image !== undefined && whyNotReleased(image) !== undefined && isTrue(image.status?.conditions, 'Stalled');
