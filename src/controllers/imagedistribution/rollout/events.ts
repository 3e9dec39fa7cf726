import type { RolloutStatus } from '../../../api/rollout.ts';
import type { EventNotice } from '../../../runtime/events.ts';

/** Events for what has changed between two statuses of a rollout; how far it has come is no event. */
export function eventsFor(before: RolloutStatus | undefined, after: RolloutStatus | undefined): EventNotice[] {
  if (!after) return [];
  const { image } = after;
  const isOther = before?.startTime !== after.startTime;
  return [
    ...(isOther ? [normal('RolloutStarted', `Containers are moved to ${image}, canaries first`)] : []),
    ...(!isOther && after.wave > before.wave && before.wave === 0
      ? [normal('CanariesSucceeded', `The canaries run ${image} well; the others follow`)]
      : []),
    ...(after.haltTime !== undefined && after.haltTime !== before?.haltTime ? [halted(after)] : []),
    ...(after.completionTime !== undefined && after.completionTime !== before?.completionTime
      ? [normal('RolloutCompleted', `No container is left to move to ${image}`)]
      : []),
  ];
}

const normal = (reason: string, note: string): EventNotice => ({ type: 'Normal', reason, note });

const halted = ({ haltReason = '', haltMessage = '' }: RolloutStatus): EventNotice => ({
  type: 'Warning',
  reason: 'RolloutHalted',
  note: `${haltReason}: ${haltMessage}`,
});
