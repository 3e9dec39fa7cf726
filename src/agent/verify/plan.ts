import type { Removal, Verification } from '../state.ts';
import type { ImageFile } from '../store/image-file.ts';
import { imageName } from '../../api/images.ts';

/** How often each image is looked at; and read as a whole. 0 is never. */
export interface VerifyIntervals {
  seconds: number;
  contentSeconds: number;
}

export interface VerifyObserved {
  images: readonly ImageFile[];
  removals: ReadonlyMap<string, Removal>;
  verifications: ReadonlyMap<string, Verification>;
  /** Key of the image that is being verified. */
  verifying: string | undefined;
  intervals: VerifyIntervals;
  /** When the agent started; milliseconds since 1970, as all times here. */
  startTime: number;
  now: number;
}

export type VerifyAction = { type: 'cancelVerify' } | { type: 'verify'; image: ImageFile; content: boolean };

export interface VerifyPlan {
  action?: VerifyAction;
  requeueTime?: number;
}

/**
 * Which image is to be verified now: one at a time, the one first that has waited longest. Each has its own times, counted
 * from its publishing, so that not all are due at once. After a start each is looked at once; what has just been published is
 * read once, for the digests.
 */
export function planTreeVerification(observed: VerifyObserved): VerifyPlan {
  const { images, removals, verifying, now } = observed;
  // An image that is about to be removed is not verified.
  const staying = images.filter((image) => removals.get(imageName(image))?.phase !== 'Deleting');
  if (verifying !== undefined) {
    return staying.some((image) => imageName(image) === verifying) ? {} : { action: { type: 'cancelVerify' } };
  }
  const next = staying.map((image) => ({ image, ...dueTimes(image, observed) })).sort((a, b) => a.due - b.due)[0];
  if (!next || next.due === Infinity) return {};
  if (next.due > now) return { requeueTime: next.due };
  return { action: { type: 'verify', image: next.image, content: next.contentDue <= now } };
}

/** What was found in the tree that is stored now, not in one that was there before. */
export function findingOf(
  image: ImageFile,
  verifications: ReadonlyMap<string, Verification>,
): Verification['finding'] | undefined {
  return verificationOf(image, verifications)?.finding;
}

function verificationOf(image: ImageFile, verifications: ReadonlyMap<string, Verification>): Verification | undefined {
  const found = verifications.get(imageName(image));
  return found?.publishTime === image.publishTime ? found : undefined;
}

function dueTimes(image: ImageFile, { verifications, intervals, startTime }: VerifyObserved) {
  const known = verificationOf(image, verifications);
  const { time, contentTime, finding, retryTime, contentRetryTime } = known ?? ({} as Partial<Verification>);
  const published = Date.parse(image.publishTime);
  const fresh = published > startTime ? published : undefined;
  const nextAfter = (last: number, seconds: number) =>
    seconds === 0 ? Infinity : published + (Math.floor((last - published) / (seconds * 1000)) + 1) * seconds * 1000;
  const last = time ?? fresh;
  const looked = last === undefined && intervals.seconds > 0 ? startTime : nextAfter(last ?? 0, intervals.seconds);
  const statDue = latest(looked, retryTime);
  const isNew = fresh !== undefined && known === undefined && intervals.contentSeconds > 0;
  const readDue = isNew ? fresh : nextAfter(contentTime ?? startTime, intervals.contentSeconds);
  // Only a look at everything can tell that what was found is no longer so.
  const wantedTime = finding?.kind === 'changed' ? Math.min(statDue, readDue) : readDue;
  // An agent that dies when it lists a tree would die when it reads it, too.
  const contentDue = latest(wantedTime, contentRetryTime, retryTime);
  return { due: Math.min(statDue, contentDue), contentDue };
}

const latest = (time: number, ...others: (number | undefined)[]) => Math.max(time, ...others.map((it) => it ?? 0));
