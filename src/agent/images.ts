import type { StoredImage, DesiredImage } from '../api/nodestore.ts';
import {
  agentDied,
  changedMessage,
  deletingImage,
  doubtfulImage,
  evictedImage,
  failedImage,
  fetchingImage,
  pendingImage,
  readyImage,
  retainedImage,
  treeChanged,
} from './status/image-status.ts';
import type { Removal, Fetching, FailedAttempts, Verification } from './state.ts';
import { mountScriptShaOf } from './store/mount-script.ts';
import type { ImageFile } from './store/image-file.ts';
import type { StoreContent } from './store/list.ts';
import { imageName } from '../api/images.ts';
import type { ImageName } from '../api/images.ts';
import { fingerprintOf } from './fingerprint.ts';
import { findingOf } from './verify/plan.ts';

/** What the images of a node are planned from. */
export interface ImagesObserved {
  desired: readonly DesiredImage[];
  store: StoreContent;
  failedAttempts: ReadonlyMap<string, FailedAttempts>;
  removals: ReadonlyMap<string, Removal>;
  verifications: ReadonlyMap<string, Verification>;
  fetching: readonly Fetching[];
  /** How many fetches may run at the same time. */
  maxFetches: number;
  /** Less of the disk is free than must stay free. */
  short: boolean;
  /** Milliseconds since 1970. */
  now: number;
}

/** `check`: ask whether a Pod needs the image, as the first step of its removal. */
export type ImageAction =
  | { type: 'cancelFetch'; key: string }
  | { type: 'fetch'; image: DesiredImage; fingerprint: string }
  | { type: 'check' | 'remove'; image: ImageName };

export interface ImagesPlan {
  actions: ImageAction[];
  /** What the status says about each image, supposing that the actions are done. */
  images: StoredImage[];
  /** The images that have to go: what is remembered about the removal of any other is void. */
  removing: string[];
  /** When to plan again even if nothing changes; milliseconds since 1970. */
  requeueTime: number | undefined;
}

/** One image as seen from one rule's point of view. */
interface ImagePlan {
  status: StoredImage;
  action?: ImageAction | undefined;
  removing?: string;
  requeueTime?: number | undefined;
}

/** Whether retained images have to make room, and which of them does now. */
interface Eviction {
  needed: boolean;
  key: string | undefined;
}

/** Which actions bring the store closer to what is desired, and what the status says of each image meanwhile. */
export function planImages(observed: ImagesObserved): ImagesPlan {
  const { store, fetching } = observed;
  // A retained image is never fetched: once it is gone, no one asks for it.
  const desired = observed.desired.filter((image) => !image.retained || storedAs(image, store));
  const desiredKeys = new Set(desired.map(imageName));
  const next = nextFetches(desired, observed);
  const needed = needsSpace(desired, observed);
  const eviction: Eviction = { needed, key: needed ? nextEviction(desired, observed) : undefined };
  const imagePlans = [
    ...desired.map((image) => planDesired(image, observed, next, eviction)),
    ...store.images.filter((it) => !desiredKeys.has(imageName(it))).map((image) => planUndesired(image, observed)),
  ];
  const orphans = store.broken.filter((it) => !desiredKeys.has(imageName(it))).map((it) => planRemoval(it, observed));
  const cancelled = fetching.filter((running) => !desired.some((it) => isFetching(it, running)));
  const all = [...imagePlans, ...orphans];
  const requeueTimes = all.flatMap(({ requeueTime }) => requeueTime ?? []);
  return {
    actions: [
      ...cancelled.map(({ key }) => ({ type: 'cancelFetch', key }) as const),
      ...all.flatMap(({ action }) => action ?? []),
    ],
    images: imagePlans.map(({ status }) => status),
    removing: all.flatMap(({ removing }) => removing ?? []),
    requeueTime: requeueTimes.length > 0 ? Math.min(...requeueTimes) : undefined,
  };
}

/**
 * Up to `maxFetches` images: those with the fewest failures first, then in the order of the spec. An image that killed an agent
 * comes last and alone. If the next agent dies too, the cause is known, and no other fetch is lost.
 */
function nextFetches(desired: readonly DesiredImage[], observed: ImagesObserved): readonly DesiredImage[] {
  const { store, failedAttempts, fetching, maxFetches, now } = observed;
  const taken = new Set([...[...store.images, ...store.broken].map(imageName), ...fetching.map(({ key }) => key)]);
  const attempts = (image: DesiredImage) => failedAttemptsOf(image, failedAttempts)?.attempts ?? 0;
  const waits = (image: DesiredImage) =>
    failedAttemptsOf(image, failedAttempts)?.reason === 'NoSpace' && isSpaceComing(observed);
  const isDeadly = (image: DesiredImage) => failedAttemptsOf(image, failedAttempts)?.reason === agentDied;
  if (desired.some((image) => isDeadly(image) && fetching.some((it) => isFetching(image, it)))) return [];
  const due = desired
    .filter(
      (image) =>
        !taken.has(imageName(image)) &&
        (failedAttemptsOf(image, failedAttempts)?.retryTime ?? 0) <= now &&
        !waits(image),
    )
    .sort((a, b) => attempts(a) - attempts(b));
  const harmless = due.filter((image) => !isDeadly(image));
  if (harmless.length === 0 && fetching.length === 0) return due.slice(0, 1);
  return harmless.slice(0, Math.max(0, maxFetches - fetching.length));
}

/** Space is about to be freed: images wait for that before another one is removed. */
const isSpaceComing = ({ removals }: ImagesObserved) =>
  [...removals.values()].some(({ phase }) => phase === 'Deleting');

/**
 * Whether something would go on if there were more room: all of the node, or an image that waits because it found none. What a
 * server promises or sends makes no room before its digest is known: else any server could empty the nodes of earlier images.
 */
function needsSpace(desired: readonly DesiredImage[], observed: ImagesObserved): boolean {
  const { store, failedAttempts, fetching, short, now } = observed;
  // A fetch that leaves too little space ends, and gives back what it took.
  if (short && fetching.length === 0) return true;
  return desired.some((image) => {
    const failed = failedAttemptsOf(image, failedAttempts);
    if (failed?.reason !== 'NoSpace' || !failed.verified || storedAs(image, store)) return false;
    return !fetching.some((it) => isFetching(image, it)) && (failed.retryTime > now || isSpaceComing(observed));
  });
}

/** The key of the retained image that goes next: one at a time, the oldest that no Pod is known to use. */
function nextEviction(desired: readonly DesiredImage[], observed: ImagesObserved): string | undefined {
  const { store, removals, now } = observed;
  const retained = desired
    .filter((image) => image.retained)
    .flatMap((image) => storedAs(image, store) ?? [])
    .sort((a, b) => (a.publishTime < b.publishTime ? -1 : 1))
    .map((stored) => ({ key: imageName(stored), removal: removals.get(imageName(stored)) }));
  if (isSpaceComing(observed)) return retained.find(({ removal }) => removal?.phase === 'Deleting')?.key;
  return retained.find(({ removal }) => removal?.phase !== 'InUse' || removal.checkTime <= now)?.key;
}

/** First hit wins. */
function planDesired(
  image: DesiredImage,
  observed: ImagesObserved,
  next: readonly DesiredImage[],
  eviction: Eviction,
): ImagePlan {
  const key = imageName(image);
  const { store, fetching, now } = observed;
  const stored = store.images.find((it) => imageName(it) === key);
  const broken = store.broken.find((it) => imageName(it) === key);
  const failedAttempts = failedAttemptsOf(image, observed.failedAttempts);

  if (stored && isSame(image, stored)) return planStored(image, stored, observed, eviction);
  if (stored) return planReplacement(image, 'DigestConflict', conflictMessage(image, stored), observed);
  if (broken) return planReplacement(image, 'BrokenEntry', `${broken.problem}; it is fetched again`, observed);
  const running = fetching.find((it) => isFetching(image, it));
  if (running) return { status: fetchingImage(image, failedAttempts, running) };
  if (next.includes(image)) {
    return {
      status: fetchingImage(image, failedAttempts),
      action: { type: 'fetch', image, fingerprint: fingerprintOf(image) },
    };
  }
  if (failedAttempts && failedAttempts.retryTime > now)
    return { status: failedImage(image, failedAttempts), requeueTime: failedAttempts.retryTime };
  if (failedAttempts && ['NoSpace', agentDied].includes(failedAttempts.reason))
    return { status: failedImage(image, failedAttempts) };
  return { status: pendingImage(image, 'Queued', 'Waiting until another image is fetched') };
}

/** A stored image stays while it is what was published. Else it is removed, and fetched again unless it is only retained. */
function planStored(image: DesiredImage, stored: ImageFile, observed: ImagesObserved, eviction: Eviction): ImagePlan {
  const finding = findingOf(stored, observed.verifications);
  if (!finding) return image.retained ? planRetained(stored, observed, eviction) : { status: readyImage(stored) };
  if (finding.kind === 'unverified') return { status: doubtfulImage(stored, finding) };
  const then = image.retained ? 'it goes' : 'it is fetched again';
  const message = `${changedMessage(finding.message)}; ${then} as soon as no Pod uses it`;
  const { status, ...rest } = planReplacement(image, treeChanged, message, observed);
  return { ...rest, status: { ...status, readyTime: stored.publishTime } };
}

/** It goes only when it is its turn to make room. That a Pod uses it is remembered while room is needed. */
function planRetained(stored: ImageFile, observed: ImagesObserved, { needed, key }: Eviction): ImagePlan {
  const removal = observed.removals.get(imageName(stored));
  if (needed && key === imageName(stored)) {
    const status = removal?.phase === 'Deleting' ? evictedImage(stored) : retainedImage(stored);
    return { ...planRemoval(stored, observed), status };
  }
  const status = retainedImage(stored);
  if (!needed || removal?.phase !== 'InUse') return { status };
  return { status, removing: imageName(stored), requeueTime: removal.checkTime };
}

function planUndesired(stored: ImageFile, observed: ImagesObserved): ImagePlan {
  const removal = observed.removals.get(imageName(stored));
  if (removal?.phase === 'Deleting') return { ...planRemoval(stored, observed), status: deletingImage(stored) };
  const inUse = removal && { reason: 'InUse', message: removal.message };
  const finding = findingOf(stored, observed.verifications);
  if (finding?.kind === 'changed') return { ...planRemoval(stored, observed), status: doubtfulImage(stored, finding) };
  return { ...planRemoval(stored, observed), status: { ...readyImage(stored), ...inUse } };
}

/** What stands in the way of a desired image: it goes first, as soon as no Pod uses it, and nothing may start on it meanwhile. */
function planReplacement(image: DesiredImage, reason: string, message: string, observed: ImagesObserved): ImagePlan {
  const removal = observed.removals.get(imageName(image));
  if (removal?.phase !== 'InUse')
    return { ...planRemoval(image, observed), status: pendingImage(image, reason, message) };
  const status = { ...pendingImage(image, reason, `${message}; ${removal.message}`), state: 'Failed' as const };
  return { ...planRemoval(image, observed), status };
}

/** The steps of a removal: check, announce, wait for those who look at the announcement, remove. */
function planRemoval({ os, version }: ImageName, { removals, now }: ImagesObserved): Omit<ImagePlan, 'status'> {
  const image = { os, version };
  const removing = imageName(image);
  const removal = removals.get(removing);
  if (!removal) return { removing, action: { type: 'check', image } };
  const due = removal.phase === 'InUse' ? removal.checkTime : removal.removeTime;
  if (due === undefined || due > now) return { removing, requeueTime: due };
  return { removing, action: { type: removal.phase === 'InUse' ? 'check' : 'remove', image } };
}

const isFetching = (image: DesiredImage, fetching: Fetching) =>
  fetching.key === imageName(image) && fetching.fingerprint === fingerprintOf(image);

/** The image in the store, if it is just what is desired. */
const storedAs = (image: DesiredImage, store: StoreContent): ImageFile | undefined =>
  store.images.find((it) => imageName(it) === imageName(image) && isSame(image, it));

const isSame = (image: DesiredImage, stored: ImageFile) =>
  stored.digest === image.digest && stored.mountScriptSha === mountScriptShaOf(image);

function conflictMessage(image: DesiredImage, stored: ImageFile): string {
  return stored.digest === image.digest
    ? 'The store holds it with another mount script; that copy is deleted as soon as no Pod uses it'
    : `The store holds ${stored.digest} under this name, which is deleted as soon as no Pod uses it`;
}

function failedAttemptsOf(
  image: DesiredImage,
  failedAttempts: ReadonlyMap<string, FailedAttempts>,
): FailedAttempts | undefined {
  const found = failedAttempts.get(imageName(image));
  return found?.fingerprint === fingerprintOf(image) ? found : undefined;
}
