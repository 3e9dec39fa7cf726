import type { OSImageStatus } from '../../api/osimage.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { EventNotice } from '../../runtime/events.ts';

/** What a person reads of each step, by the status that its condition has come to. */
const reasons = {
  Built: { True: 'Built', False: 'BuildFailed', Unknown: 'BuildStarted' },
  Verified: { True: 'VerificationPassed', False: 'VerificationFailed', Unknown: undefined },
  Published: { True: 'Published', False: 'PublishFailed', Unknown: 'PublishStarted' },
} as const;

/** The events of a change of status: one for each step that was begun or has ended. */
export function eventsFor(before: OSImageStatus | undefined, after: OSImageStatus): EventNotice[] {
  return Object.entries(reasons).flatMap(([type, byStatus]) => {
    const was = findCondition(before?.conditions, type);
    const is = findCondition(after.conditions, type);
    // That it is published elsewhere, or waits for its turn, is no news.
    if (!is || is.status === was?.status || is.reason === 'ExternalSource' || is.reason.startsWith('WaitingFor'))
      return [];
    const reason = byStatus[is.status];
    return reason === undefined
      ? []
      : [{ type: is.status === 'False' ? 'Warning' : 'Normal', reason, note: is.message }];
  });
}
