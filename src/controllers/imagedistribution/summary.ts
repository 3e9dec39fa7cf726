import type { OSImage } from '../../api/osimage.ts';
import { isTrue, kstatus } from '../../runtime/conditions.ts';
import type { NewCondition, Progress } from '../../runtime/conditions.ts';
import { whyNotReleased } from '../images.ts';
import type { RolloutPlan, RolloutReason } from './rollout/observed.ts';
import { needsPerson } from '../ends.ts';
import { endOf } from './reasons.ts';
import type { Observed } from './observed.ts';

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

/** Ready and the two kstatus conditions, from the others. What a person wants to wait is settled, as a suspended container is. */
export function summary(o: Observed, parts: Parts): NewCondition[] {
  const missing = missingOf(o, parts);
  const done = parts.rollout?.reason === 'RolledOut' ? rolledOutCondition(parts.rollout) : parts.distributed;
  if (!missing) return summed(done, 'Done');
  const end = endOf(missing.reason);
  if (end === 'Wanted') return summed({ ...missing, status: 'True' }, 'Done');
  return summed(missing, needsPerson(end, { waits: isAtWork(o, missing) }) ? 'Failed' : 'Going');
}

function summed(condition: NewCondition, progress: Progress): NewCondition[] {
  const ready: NewCondition = { ...condition, type: 'Ready' };
  return [ready, ...kstatus(ready, progress)];
}

/** Of a reason that depends: neither does its image wait for a person, nor is it never to be a default version. */
const isAtWork = (o: Observed, missing: NewCondition): boolean => !isStuck(o.image) && !isNeverActive(o, missing);

/** The first of what it asks for and has not reached; a halt comes before all else. */
function missingOf(o: Observed, { distributed, activated, rollout }: Parts): NewCondition | undefined {
  const rolledOut = rollout && !othersTurn.includes(rollout.reason) ? rolledOutCondition(rollout) : undefined;
  if (rolledOut?.reason === 'RolloutHalted') return rolledOut;
  // That another version is above it is nothing that is missing here.
  const mustBeActive = o.distribution.spec.activate.newContainers && activated.reason !== 'Superseded';
  const asked = [distributed, ...(mustBeActive ? [activated] : []), rolledOut];
  return asked.find((condition) => condition && condition.status !== 'True');
}

/** Existing containers should be moved to what is not to become a default version. */
const isNeverActive = (o: Observed, { reason }: NewCondition): boolean =>
  reason === 'NotActivated' && !o.distribution.spec.activate.newContainers;

/** Its image waits for a person, before it may be distributed. */
const isStuck = (image: OSImage | undefined): boolean =>
  image !== undefined && whyNotReleased(image) !== undefined && isTrue(image.status?.conditions, 'Stalled');
