import type { FailedImage, HistoryEntry, HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { imageName } from '../../api/images.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { truncate, truncateStart } from '../../runtime/text.ts';

/** The memory of a container: what it ran (history) and what it must not try again (ledger). Pure list work. */

const limit = 10;
const messageLimit = 1000;

const iso = (now: Date): string => now.toISOString().replace(/\.\d+Z$/, 'Z');

export const newest = (status: HostedContainerStatus): HistoryEntry | undefined => status.history?.[0];

/** The attempt that is under way: the newest entry without an outcome. */
export const openAttempt = (status: HostedContainerStatus): HistoryEntry | undefined =>
  newest(status)?.outcome === undefined ? newest(status) : undefined;

/** The entry is of this image: its name and, when it has them, its bytes. */
export const isOf = (entry: HistoryEntry, image: UsableImage): boolean =>
  entry.image === imageName(image) && (entry.digest === undefined || entry.digest === image.digest);

/** Begins an attempt; one that was under way for something else ends as Superseded. */
export function beginAttempt(status: HostedContainerStatus, image: UsableImage, now: Date): HostedContainerStatus {
  const open = openAttempt(status);
  const earlier = open ? closeNewest(status, { outcome: 'Superseded', endTime: iso(now) }) : status;
  const entry = { image: imageName(image), digest: image.digest, startTime: iso(now) };
  return { ...earlier, history: [entry, ...(earlier.history ?? [])].slice(0, limit) };
}

export function closeNewest(status: HostedContainerStatus, end: Partial<HistoryEntry>): HostedContainerStatus {
  const [first, ...rest] = status.history ?? [];
  return first ? { ...status, history: [{ ...first, ...end }, ...rest] } : status;
}

/** The image is good: it is what a later failure goes back to, and its own failures are forgotten. */
export function recordSuccess(
  status: HostedContainerStatus,
  image: UsableImage,
  print: string,
  readyTime: string,
): HostedContainerStatus {
  const closed = closeNewest(status, { outcome: 'Succeeded', readyTime });
  const history = (closed.history ?? []).map((entry, i) =>
    i > 0 && entry.outcome === 'Succeeded' && entry.endTime === undefined
      ? { ...entry, endTime: newest(closed)?.startTime ?? readyTime }
      : entry,
  );
  const failedImages = (status.failedImages ?? []).filter((f) => f.fingerprint !== print);
  const { attempt: _attempt, ...rest } = closed;
  return { ...rest, history, failedImages, lastKnownGoodImage: imageName(image), lastKnownGoodDigest: image.digest };
}

/** What failed once in this shape runs well in it now, on an image that is known to be good: it is not held against it any more. */
export function forgetFailure(status: HostedContainerStatus, print: string): HostedContainerStatus {
  const { attempt: _attempt, ...rest } = status;
  return { ...rest, failedImages: (status.failedImages ?? []).filter((f) => f.fingerprint !== print) };
}

/** An attempt that nothing asks for any more is over, without a verdict. */
export function closeTakenBack(status: HostedContainerStatus, image: UsableImage, now: Date): HostedContainerStatus {
  const open = openAttempt(status);
  if (!open || isOf(open, image)) return status;
  return closeNewest(status, { outcome: 'Superseded', endTime: iso(now) });
}

export interface Failure {
  reason: string;
  message: string;
  logTail?: string | undefined;
}

/** The image failed in this shape: it goes into the ledger, once an image, counting the attempts. */
export function recordFailure(
  status: HostedContainerStatus,
  image: UsableImage,
  print: string,
  failure: Failure,
  now: Date,
): HostedContainerStatus {
  const ledger = status.failedImages ?? [];
  const name = imageName(image);
  const before = ledger.find((f) => f.image === name && f.digest === image.digest);
  const entry: FailedImage = {
    image: name,
    digest: image.digest,
    fingerprint: print,
    reason: failure.reason,
    message: withLog(failure),
    time: iso(now),
    attempts: (before?.attempts ?? 0) + 1,
    ...(status.assignedWhileUnavailable && status.assignedImage === name && { unavailableBefore: true }),
  };
  // A failure in another shape stays: going back to that shape is no new attempt either.
  const others = ledger.filter((f) => f.fingerprint !== print);
  const { attempt: _attempt, ...closed } = closeNewest(status, { outcome: 'Failed', endTime: iso(now) });
  return { ...closed, failedImages: [entry, ...others].slice(0, limit) };
}

/** The failure that this entry tells of. */
export const findFailed = (status: HostedContainerStatus, { image, digest }: HistoryEntry): FailedImage | undefined =>
  status.failedImages?.find((f) => f.image === image && (digest === undefined || f.digest === digest));

export const findFailure = (status: HostedContainerStatus, print: string): FailedImage | undefined =>
  status.failedImages?.find((f) => f.fingerprint === print);

/** The message with as much of the end of the log as fits. */
function withLog({ message, logTail }: Failure): string {
  const text = truncate(message, messageLimit);
  const log = logTail?.trim();
  if (!log || text.includes(log)) return text;
  const room = messageLimit - text.length - 20;
  return room < 40 ? text : `${text}. Last log lines: ${truncateStart(log, room)}`;
}
