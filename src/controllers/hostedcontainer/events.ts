import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { EventNotice } from '../../runtime/events.ts';
import { deletedByHand, pauseText } from '../interruption.ts';
import type { Observed } from './observed.ts';
import { findFailed, newest } from './history.ts';

/** Events for what has changed between the status that was seen and the one that will be written. */
export function eventsFor(o: Observed, after: HostedContainerStatus): EventNotice[] {
  const before = o.container.status ?? {};
  return rules.map((rule) => rule(before, after)).filter((event) => event !== undefined);
}

type EventRule = (before: HostedContainerStatus, after: HostedContainerStatus) => EventNotice | undefined;

const was = (status: HostedContainerStatus, type: string) => findCondition(status.conditions, type)?.reason;

const attemptBegan: EventRule = (before, after) => {
  const now = newest(after);
  const earlier = newest(before);
  // Times are whole seconds: two attempts can begin in the same one.
  const isSame = earlier?.startTime === now?.startTime && earlier?.image === now?.image;
  if (!now || now.outcome !== undefined || isSame) return undefined;
  return before.lastKnownGoodImage === undefined
    ? { type: 'Normal', reason: 'StartBegan', note: `Starting ${now.image}` }
    : { type: 'Normal', reason: 'UpgradeStarted', note: `Going from ${before.lastKnownGoodImage} to ${now.image}` };
};

const attemptSucceeded: EventRule = (before, after) => {
  const isSame = before.lastKnownGoodDigest === undefined || before.lastKnownGoodDigest === after.lastKnownGoodDigest;
  if (before.lastKnownGoodImage === after.lastKnownGoodImage && isSame) return undefined;
  return before.lastKnownGoodImage === undefined
    ? { type: 'Normal', reason: 'Started', note: `${after.lastKnownGoodImage ?? ''} is running and Ready` }
    : {
        type: 'Normal',
        reason: 'UpgradeSucceeded',
        note: `Went from ${before.lastKnownGoodImage} to ${after.lastKnownGoodImage ?? ''}`,
      };
};

const attemptFailed: EventRule = (before, after) => {
  const failure = after.failedImages?.[0];
  if (!failure || before.failedImages?.some((f) => f.fingerprint === failure.fingerprint)) return undefined;
  return {
    type: 'Warning',
    reason: after.lastKnownGoodImage ? 'UpgradeFailed' : 'StartFailed',
    note: `${failure.image} failed. ${failure.reason}: ${failure.message}`,
  };
};

const reverted: EventRule = (before, after) => {
  const last = newest(after);
  if (last?.outcome !== 'Reverted' || newest(before)?.outcome === 'Reverted') return undefined;
  const failure = findFailed(after, last);
  // Another archive under the same name failed: then the name alone tells nothing.
  const bytes = last.image === after.lastKnownGoodImage && last.digest ? ` (${last.digest.slice(0, 19)}…)` : '';
  return {
    type: 'Warning',
    reason: 'UpgradeReverted',
    note: `Went back from ${last.image}${bytes} to ${after.lastKnownGoodImage ?? ''}. ${failure?.reason ?? ''}: ${failure?.message ?? ''}`,
  };
};

const fellBack: EventRule = (before, after) =>
  was(after, 'ImageResolved') === 'FallbackToDefault' && was(before, 'ImageResolved') !== 'FallbackToDefault'
    ? {
        type: 'Warning',
        reason: 'FallbackToDefault',
        note: findCondition(after.conditions, 'ImageResolved')?.message ?? '',
      }
    : undefined;

const failedBefore: EventRule = (before, after) =>
  was(after, 'Upgraded') === 'FailedBefore' && was(before, 'Upgraded') !== 'FailedBefore'
    ? { type: 'Warning', reason: 'FailedBefore', note: findCondition(after.conditions, 'Upgraded')?.message ?? '' }
    : undefined;

const invalid: EventRule = (before, after) => {
  const stalled = findCondition(after.conditions, 'Stalled');
  return stalled?.reason === 'InvalidSpec' && was(before, 'Stalled') !== 'InvalidSpec'
    ? { type: 'Warning', reason: 'InvalidSpec', note: stalled.message }
    : undefined;
};

/** A Pod ended, or could not start, for a reason that says nothing about the image. */
const interrupted: EventRule = (before, after) => {
  const podsOf = (status: HostedContainerStatus) => [status.attempt?.interruption, status.interruption];
  const known = new Set(podsOf(before).map((it) => it?.podUID));
  const interruption = podsOf(after).find((it) => it !== undefined && !known.has(it.podUID));
  // A person who deletes a Pod once expects another one: no event.
  if (!interruption || (interruption.reason === deletedByHand && interruption.count === 1)) return undefined;
  return { type: 'Warning', reason: 'Interrupted', note: pauseText(interruption) };
};

const rules: readonly EventRule[] = [
  fellBack,
  attemptBegan,
  attemptSucceeded,
  interrupted,
  attemptFailed,
  reverted,
  failedBefore,
  invalid,
];
