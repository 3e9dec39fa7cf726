import type { Logger } from 'pino';
import type { Action } from './observed.ts';
import type { RolloutWriter } from './rollout/writer.ts';

/** Does one action. */
export async function act(writer: RolloutWriter, action: Action, logger: Logger, signal: AbortSignal): Promise<void> {
  switch (action.type) {
    case 'Condemn':
      await writer.condemn(action.image, action.evidence, signal);
      logger.warn({ evidence: action.evidence }, 'Condemned OSImage');
      return;
    case 'Assign':
      await writer.assign(action.assignments, signal);
      logger.info({ containers: action.assignments.length }, 'Assigned image');
  }
}
