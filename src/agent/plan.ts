import { createHash } from 'node:crypto';
import type { StoredImage, WantedImage } from '../api/nodestore.ts';
import {
  changedMessage,
  deletingImage,
  doubtfulImage,
  failedImage,
  fetchingImage,
  pendingImage,
  readyImage,
  treeChanged,
} from './image-status.ts';
import type { Departure, Fetching, Tries, Verification } from './memory.ts';
import { mountScriptShaOf } from './mount-script.ts';
import type { ImageFile } from './store/image-file.ts';
import type { StoreContent } from './store/list.ts';
import { imageKey } from './store/paths.ts';
import type { ImageName } from './store/paths.ts';
import { findingOf } from './verify-plan.ts';

export interface Observed {
  wanted: readonly WantedImage[];
  store: StoreContent;
  tries: ReadonlyMap<string, Tries>;
  departures: ReadonlyMap<string, Departure>;
  verifications: ReadonlyMap<string, Verification>;
  fetching: Fetching | undefined;
  /** Milliseconds since 1970. */
  now: number;
}

/** `check`: ask whether a Pod needs the image, as the first step of its departure. */
export type Step =
  | { do: 'cancelFetch' }
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

/** The whole policy of the agent: which steps bring the store closer to what is wanted, and what to tell meanwhile. */
export function plan(observed: Observed): Plan {
  const { wanted, store, fetching } = observed;
  const wantedKeys = new Set(wanted.map(imageKey));
  const next = nextFetch(observed);
  const verdicts = [
    ...wanted.map((image) => judgeWanted(image, observed, next)),
    ...store.images.filter((it) => !wantedKeys.has(imageKey(it))).map((image) => judgeUnwanted(image, observed)),
  ];
  const orphans = store.broken.filter((it) => !wantedKeys.has(imageKey(it))).map((it) => depart(it, observed));
  const cancel = fetching && !wanted.some((it) => isFetching(it, fetching));
  const all = [...verdicts, ...orphans];
  const wakeTimes = all.flatMap(({ wakeTime }) => wakeTime ?? []);
  return {
    steps: [...(cancel ? [{ do: 'cancelFetch' } as const] : []), ...all.flatMap(({ step }) => step ?? [])],
    images: verdicts.map(({ status }) => status),
    departing: all.flatMap(({ departing }) => departing ?? []),
    wakeTime: wakeTimes.length > 0 ? Math.min(...wakeTimes) : undefined,
  };
}

/** Tells one wanted entry from another of the same name: any change of it is a reason to try anew at once. */
export function fingerprintOf(image: WantedImage): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(image)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(Object.entries(value).sort().map(([key, member]) => [key, sorted(member)])); // prettier-ignore
}

/** One image is fetched at a time: those with the fewest failures come first, then the order of the spec counts. */
function nextFetch({ wanted, store, tries, fetching, now }: Observed): WantedImage | undefined {
  if (fetching) return undefined;
  const taken = new Set([...store.images, ...store.broken].map(imageKey));
  const attempts = (image: WantedImage) => triesOf(image, tries)?.attempts ?? 0;
  return wanted
    .filter((image) => !taken.has(imageKey(image)) && (triesOf(image, tries)?.retryTime ?? 0) <= now)
    .sort((a, b) => attempts(a) - attempts(b))[0];
}

/** First hit wins. */
function judgeWanted(image: WantedImage, observed: Observed, next: WantedImage | undefined): Verdict {
  const key = imageKey(image);
  const { store, fetching, now } = observed;
  const stored = store.images.find((it) => imageKey(it) === key);
  const broken = store.broken.find((it) => imageKey(it) === key);
  const tries = triesOf(image, observed.tries);

  if (stored && isSame(image, stored)) return judgeStored(image, stored, observed);
  if (stored) return replace(image, 'DigestConflict', conflictMessage(image, stored), observed);
  if (broken) return replace(image, 'BrokenEntry', `${broken.problem}; it is fetched anew`, observed);
  if (fetching && isFetching(image, fetching)) return { status: fetchingImage(image, tries, fetching) };
  if (image === next) {
    return { status: fetchingImage(image, tries), step: { do: 'fetch', image, fingerprint: fingerprintOf(image) } };
  }
  if (tries && tries.retryTime > now) return { status: failedImage(image, tries), wakeTime: tries.retryTime };
  return { status: pendingImage(image, 'Queued', 'Waits until another image is fetched') };
}

/** What is stored stays, unless it is no longer what was published: then it is fetched anew. */
function judgeStored(image: WantedImage, stored: ImageFile, observed: Observed): Verdict {
  const finding = findingOf(stored, observed.verifications);
  if (!finding) return { status: readyImage(stored) };
  if (finding.kind === 'unverified') return { status: doubtfulImage(stored, finding) };
  const message = `${changedMessage(finding.message)}; it is fetched anew as soon as no Pod uses it`;
  const { status, ...rest } = replace(image, treeChanged, message, observed);
  return { ...rest, status: { ...status, readyTime: stored.publishTime } };
}

function judgeUnwanted(stored: ImageFile, observed: Observed): Verdict {
  const departure = observed.departures.get(imageKey(stored));
  if (departure?.phase === 'Leaving') return { ...depart(stored, observed), status: deletingImage(stored) };
  const inUse = departure && { reason: 'InUse', message: departure.message };
  const finding = findingOf(stored, observed.verifications);
  if (finding?.kind === 'changed') return { ...depart(stored, observed), status: doubtfulImage(stored, finding) };
  return { ...depart(stored, observed), status: { ...readyImage(stored), ...inUse } };
}

/** What stands in the way of a wanted image: it goes first, as soon as no Pod uses it, and nothing may start on it meanwhile. */
function replace(image: WantedImage, reason: string, message: string, observed: Observed): Verdict {
  const departure = observed.departures.get(imageKey(image));
  if (departure?.phase !== 'Used') return { ...depart(image, observed), status: pendingImage(image, reason, message) };
  const status = { ...pendingImage(image, reason, `${message}; ${departure.message}`), state: 'Failed' as const };
  return { ...depart(image, observed), status };
}

/** The steps of a departure: check, announce, wait for those who look at the announcement, remove. */
function depart({ os, version }: ImageName, { departures, now }: Observed): Omit<Verdict, 'status'> {
  const image = { os, version };
  const departing = imageKey(image);
  const departure = departures.get(departing);
  if (!departure) return { departing, step: { do: 'check', image } };
  const due = departure.phase === 'Used' ? departure.checkTime : departure.removeTime;
  if (due === undefined || due > now) return { departing, wakeTime: due };
  return { departing, step: { do: departure.phase === 'Used' ? 'check' : 'remove', image } };
}

const isFetching = (image: WantedImage, fetching: Fetching) =>
  fetching.key === imageKey(image) && fetching.fingerprint === fingerprintOf(image);

const isSame = (image: WantedImage, stored: ImageFile) =>
  stored.digest === image.digest && stored.mountScriptSha === mountScriptShaOf(image);

function conflictMessage(image: WantedImage, stored: ImageFile): string {
  return stored.digest === image.digest
    ? 'The store holds it with another mount script, which goes as soon as no Pod uses it'
    : `The store holds ${stored.digest} under this name, which goes as soon as no Pod uses it`;
}

function triesOf(image: WantedImage, tries: ReadonlyMap<string, Tries>): Tries | undefined {
  const found = tries.get(imageKey(image));
  return found?.fingerprint === fingerprintOf(image) ? found : undefined;
}
