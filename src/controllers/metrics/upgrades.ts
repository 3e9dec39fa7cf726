import type { HistoryEntry, HostedContainer } from '../../api/hostedcontainer.ts';
import { findCondition } from '../../runtime/conditions.ts';

/** How an attempt to run another image ended, as one change of a HostedContainer shows it. */
export interface EndedUpgrade {
  os: string;
  version: string;
  result: 'Succeeded' | 'Failed' | 'Reverted' | 'Superseded';
  /** Why it failed, in one word; '' when it did not. */
  reason: string;
  /** From the first try to the end. */
  seconds: number;
}

/** Compares two states of one container; undefined when no attempt ended between them. A first start is no upgrade. */
export function endedUpgrade(old: HostedContainer, current: HostedContainer): EndedUpgrade | undefined {
  const ended = newlyEnded(old.status?.history ?? [], current.status?.history ?? []);
  if (!ended?.outcome || old.status?.lastKnownGoodImage === undefined) return undefined;
  const [os = '', version = ''] = ended.image.split(':');
  const isFailure = ended.outcome === 'Failed' || ended.outcome === 'Reverted';
  const reason = isFailure ? reasonOf(current, ended.image) : '';
  return { os, version, result: ended.outcome, reason, seconds: secondsOf(ended) };
}

const newlyEnded = (before: readonly HistoryEntry[], after: readonly HistoryEntry[]) =>
  after.find(({ outcome, image, startTime }) => {
    const earlier = before.find((it) => it.image === image && it.startTime === startTime);
    return outcome !== undefined && earlier !== undefined && earlier.outcome === undefined;
  });

const reasonOf = ({ status }: HostedContainer, image: string): string =>
  status?.failedImages?.find((it) => it.image === image)?.reason ?? 'Unknown';

const secondsOf = ({ startTime, readyTime, endTime }: HistoryEntry): number =>
  Math.max(0, (Date.parse(endTime ?? readyTime ?? startTime) - Date.parse(startTime)) / 1000);

/** Seconds that a container was not Ready because of an upgrade or a revert, when this change ends that time; both by the operator's clock. */
export function endedDowntime(old: HostedContainer, current: HostedContainer): number | undefined {
  const [down, up] = [old, current].map(({ status }) => findCondition(status?.conditions, 'Ready'));
  if (down?.status !== 'False' || up?.status !== 'True') return undefined;
  const upgrading = ['InProgress', 'Reverted'].includes(
    findCondition(old.status?.conditions, 'Upgraded')?.reason ?? '',
  );
  if (!upgrading || old.status?.lastKnownGoodImage === undefined) return undefined;
  return Math.max(0, (Date.parse(up.lastTransitionTime) - Date.parse(down.lastTransitionTime)) / 1000);
}
