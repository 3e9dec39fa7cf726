import type { RolloutStatus } from '../../api/rollout.ts';

/** An event for people. */
export interface Note {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** Events for what has changed between two statuses of a rollout; how far it has come is no event. */
export function notesOf(before: RolloutStatus | undefined, after: RolloutStatus | undefined): Note[] {
  if (!after) return [];
  const { image } = after;
  const isOther = before?.startTime !== after.startTime;
  return [
    ...(isOther ? [note('RolloutStarted', `Containers are moved to ${image}, canaries first`)] : []),
    ...(!isOther && after.wave > before.wave && before.wave === 0
      ? [note('CanariesSucceeded', `The canaries run ${image} well; the others follow`)]
      : []),
    ...(after.haltTime !== undefined && after.haltTime !== before?.haltTime ? [halted(after)] : []),
    ...(after.completionTime !== undefined && after.completionTime !== before?.completionTime
      ? [note('RolloutCompleted', `No container is left to move to ${image}`)]
      : []),
  ];
}

const note = (reason: string, message: string): Note => ({ type: 'Normal', reason, message });

const halted = ({ haltReason = '', haltMessage = '' }: RolloutStatus): Note => ({
  type: 'Warning',
  reason: 'RolloutHalted',
  message: `${haltReason}: ${haltMessage}`,
});
