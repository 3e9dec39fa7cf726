import { createHash } from 'node:crypto';
import type { StoredImage, WantedImage } from '../api/nodestore.ts';
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
import type { Departure, Fetching, Tries, Verification } from './state.ts';
import { mountScriptShaOf } from './store/mount-script.ts';
import type { ImageFile } from './store/image-file.ts';
import type { StoreContent } from './store/list.ts';
import { imageName } from '../api/images.ts';
import type { ImageName } from '../api/images.ts';
import { findingOf } from './verify/plan.ts';

export interface Observed {
  wanted: readonly WantedImage[];
  store: StoreContent;
  tries: ReadonlyMap<string, Tries>;
  departures: ReadonlyMap<string, Departure>;
  verifications: ReadonlyMap<string, Verification>;
  fetching: readonly Fetching[];
  /** How many fetches may run at the same time. */
  maxFetches: number;
  /** Less of the disk is free than must stay free. */
  short: boolean;
  /** Milliseconds since 1970. */
  now: number;
}

/** `check`: ask whether a Pod needs the image, as the first step of its departure. */
export type Step =
  | { do: 'cancelFetch'; key: string }
  | { do: 'fetch'; image: WantedImage; fingerprint: string }
  | { do: 'check' | 'remove'; image: ImageName };

export interface Plan {
  steps: Step[];
  /** What the status says about each image, supposing that the steps are made. */
  images: StoredImage[];
  /** The images that have to go: what is remembered about the departure of any other is void. */
  departing: string[];
  /** When to plan again even if nothing changes; milliseconds since 1970. */
  wakeTime: number | undefined;
}

/** One image as seen from one rule's point of view. */
interface Verdict {
  status: StoredImage;
  step?: Step | undefined;
  departing?: string;
  wakeTime?: number | undefined;
}

/** Whether retained images have to make room, and which of them does now. */
interface Eviction {
  needed: boolean;
  key: string | undefined;
}

/** The whole policy of the agent: which steps bring the store closer to what is wanted, and what to tell meanwhile. */
export function plan(observed: Observed): Plan {
  const { store, fetching } = observed;
  // What is only retained is never fetched: once it is not there, no one wants it.
  const wanted = observed.wanted.filter((image) => !image.retained || storedAs(image, store));
  const wantedKeys = new Set(wanted.map(imageName));
  const next = nextFetches(wanted, observed);
  const needed = needsRoom(wanted, observed);
  const eviction: Eviction = { needed, key: needed ? nextEviction(wanted, observed) : undefined };
  const verdicts = [
    ...wanted.map((image) => judgeWanted(image, observed, next, eviction)),
    ...store.images.filter((it) => !wantedKeys.has(imageName(it))).map((image) => judgeUnwanted(image, observed)),
  ];
  const orphans = store.broken.filter((it) => !wantedKeys.has(imageName(it))).map((it) => depart(it, observed));
  const cancelled = fetching.filter((running) => !wanted.some((it) => isFetching(it, running)));
  const all = [...verdicts, ...orphans];
  const wakeTimes = all.flatMap(({ wakeTime }) => wakeTime ?? []);
  return {
    steps: [
      ...cancelled.map(({ key }) => ({ do: 'cancelFetch', key }) as const),
      ...all.flatMap(({ step }) => step ?? []),
    ],
    images: verdicts.map(({ status }) => status),
    departing: all.flatMap(({ departing }) => departing ?? []),
    wakeTime: wakeTimes.length > 0 ? Math.min(...wakeTimes) : undefined,
  };
}

/**
 * Tells one wanted entry from another of the same name: any change of it is a reason to try again at once. What is only known
 * about an image, and why it is wanted, is no such change.
 */
export function fingerprintOf(image: WantedImage): string {
  const { unpackedBytes: _hint, retained: _why, ...fetched } = image;
  return createHash('sha256')
    .update(JSON.stringify(sorted(fetched)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(Object.entries(value).sort().map(([key, member]) => [key, sorted(member)])); // prettier-ignore
}

/**
 * So many as may run: those with the fewest failures come first, then the order of the spec counts. An image of which an agent has
 * died comes after all others, and alone: so it is known what kills the next one, and takes nothing with it.
 */
function nextFetches(wanted: readonly WantedImage[], observed: Observed): readonly WantedImage[] {
  const { store, tries, fetching, maxFetches, now } = observed;
  const taken = new Set([...[...store.images, ...store.broken].map(imageName), ...fetching.map(({ key }) => key)]);
  const attempts = (image: WantedImage) => triesOf(image, tries)?.attempts ?? 0;
  const waits = (image: WantedImage) => triesOf(image, tries)?.reason === 'NoSpace' && someLeave(observed);
  const isDeadly = (image: WantedImage) => triesOf(image, tries)?.reason === agentDied;
  if (wanted.some((image) => isDeadly(image) && fetching.some((it) => isFetching(image, it)))) return [];
  const due = wanted
    .filter((image) => !taken.has(imageName(image)) && (triesOf(image, tries)?.retryTime ?? 0) <= now && !waits(image))
    .sort((a, b) => attempts(a) - attempts(b));
  const harmless = due.filter((image) => !isDeadly(image));
  if (harmless.length === 0 && fetching.length === 0) return due.slice(0, 1);
  return harmless.slice(0, Math.max(0, maxFetches - fetching.length));
}

/** Room that is about to come: whoever waits for some waits for this first, and nothing else has to go meanwhile. */
const someLeave = ({ departures }: Observed) => [...departures.values()].some(({ phase }) => phase === 'Leaving');

/**
 * Whether something would go on if there were more room: all of the node, or an image that waits because it found none. What a
 * server promises or sends makes no room before its digest is known: else any server could empty the nodes of earlier images.
 */
function needsRoom(wanted: readonly WantedImage[], observed: Observed): boolean {
  const { store, tries, fetching, short, now } = observed;
  // What is being fetched goes again when it leaves too little free.
  if (short && fetching.length === 0) return true;
  return wanted.some((image) => {
    const failed = triesOf(image, tries);
    if (failed?.reason !== 'NoSpace' || !failed.verified || storedAs(image, store)) return false;
    return !fetching.some((it) => isFetching(image, it)) && (failed.retryTime > now || someLeave(observed));
  });
}

/** The key of the retained image that goes next: one at a time, the oldest that no Pod is known to use. */
function nextEviction(wanted: readonly WantedImage[], observed: Observed): string | undefined {
  const { store, departures, now } = observed;
  const retained = wanted
    .filter((image) => image.retained)
    .flatMap((image) => storedAs(image, store) ?? [])
    .sort((a, b) => (a.publishTime < b.publishTime ? -1 : 1))
    .map((stored) => ({ key: imageName(stored), departure: departures.get(imageName(stored)) }));
  if (someLeave(observed)) return retained.find(({ departure }) => departure?.phase === 'Leaving')?.key;
  return retained.find(({ departure }) => departure?.phase !== 'Used' || departure.checkTime <= now)?.key;
}

/** First hit wins. */
function judgeWanted(
  image: WantedImage,
  observed: Observed,
  next: readonly WantedImage[],
  eviction: Eviction,
): Verdict {
  const key = imageName(image);
  const { store, fetching, now } = observed;
  const stored = store.images.find((it) => imageName(it) === key);
  const broken = store.broken.find((it) => imageName(it) === key);
  const tries = triesOf(image, observed.tries);

  if (stored && isSame(image, stored)) return judgeStored(image, stored, observed, eviction);
  if (stored) return replace(image, 'DigestConflict', conflictMessage(image, stored), observed);
  if (broken) return replace(image, 'BrokenEntry', `${broken.problem}; it is fetched again`, observed);
  const running = fetching.find((it) => isFetching(image, it));
  if (running) return { status: fetchingImage(image, tries, running) };
  if (next.includes(image)) {
    return { status: fetchingImage(image, tries), step: { do: 'fetch', image, fingerprint: fingerprintOf(image) } };
  }
  if (tries && tries.retryTime > now) return { status: failedImage(image, tries), wakeTime: tries.retryTime };
  if (tries && ['NoSpace', agentDied].includes(tries.reason)) return { status: failedImage(image, tries) };
  return { status: pendingImage(image, 'Queued', 'Waits until another image is fetched') };
}

/** What is stored stays, unless it is no longer what was published: then it goes, and is fetched again unless it is retained. */
function judgeStored(image: WantedImage, stored: ImageFile, observed: Observed, eviction: Eviction): Verdict {
  const finding = findingOf(stored, observed.verifications);
  if (!finding) return image.retained ? judgeRetained(stored, observed, eviction) : { status: readyImage(stored) };
  if (finding.kind === 'unverified') return { status: doubtfulImage(stored, finding) };
  const then = image.retained ? 'it goes' : 'it is fetched again';
  const message = `${changedMessage(finding.message)}; ${then} as soon as no Pod uses it`;
  const { status, ...rest } = replace(image, treeChanged, message, observed);
  return { ...rest, status: { ...status, readyTime: stored.publishTime } };
}

/** It goes only when it is its turn to make room. That a Pod uses it is remembered while room is needed. */
function judgeRetained(stored: ImageFile, observed: Observed, { needed, key }: Eviction): Verdict {
  const departure = observed.departures.get(imageName(stored));
  if (needed && key === imageName(stored)) {
    const status = departure?.phase === 'Leaving' ? evictedImage(stored) : retainedImage(stored);
    return { ...depart(stored, observed), status };
  }
  const status = retainedImage(stored);
  if (!needed || departure?.phase !== 'Used') return { status };
  return { status, departing: imageName(stored), wakeTime: departure.checkTime };
}

function judgeUnwanted(stored: ImageFile, observed: Observed): Verdict {
  const departure = observed.departures.get(imageName(stored));
  if (departure?.phase === 'Leaving') return { ...depart(stored, observed), status: deletingImage(stored) };
  const inUse = departure && { reason: 'InUse', message: departure.message };
  const finding = findingOf(stored, observed.verifications);
  if (finding?.kind === 'changed') return { ...depart(stored, observed), status: doubtfulImage(stored, finding) };
  return { ...depart(stored, observed), status: { ...readyImage(stored), ...inUse } };
}

/** What stands in the way of a wanted image: it goes first, as soon as no Pod uses it, and nothing may start on it meanwhile. */
function replace(image: WantedImage, reason: string, message: string, observed: Observed): Verdict {
  const departure = observed.departures.get(imageName(image));
  if (departure?.phase !== 'Used') return { ...depart(image, observed), status: pendingImage(image, reason, message) };
  const status = { ...pendingImage(image, reason, `${message}; ${departure.message}`), state: 'Failed' as const };
  return { ...depart(image, observed), status };
}

/** The steps of a departure: check, announce, wait for those who look at the announcement, remove. */
function depart({ os, version }: ImageName, { departures, now }: Observed): Omit<Verdict, 'status'> {
  const image = { os, version };
  const departing = imageName(image);
  const departure = departures.get(departing);
  if (!departure) return { departing, step: { do: 'check', image } };
  const due = departure.phase === 'Used' ? departure.checkTime : departure.removeTime;
  if (due === undefined || due > now) return { departing, wakeTime: due };
  return { departing, step: { do: departure.phase === 'Used' ? 'check' : 'remove', image } };
}

const isFetching = (image: WantedImage, fetching: Fetching) =>
  fetching.key === imageName(image) && fetching.fingerprint === fingerprintOf(image);

/** The image in the store, if it is just what is wanted. */
const storedAs = (image: WantedImage, store: StoreContent): ImageFile | undefined =>
  store.images.find((it) => imageName(it) === imageName(image) && isSame(image, it));

const isSame = (image: WantedImage, stored: ImageFile) =>
  stored.digest === image.digest && stored.mountScriptSha === mountScriptShaOf(image);

function conflictMessage(image: WantedImage, stored: ImageFile): string {
  return stored.digest === image.digest
    ? 'The store holds it with another mount script, which goes as soon as no Pod uses it'
    : `The store holds ${stored.digest} under this name, which goes as soon as no Pod uses it`;
}

function triesOf(image: WantedImage, tries: ReadonlyMap<string, Tries>): Tries | undefined {
  const found = tries.get(imageName(image));
  return found?.fingerprint === fingerprintOf(image) ? found : undefined;
}
