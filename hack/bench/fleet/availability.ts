/** What the API server's record of Pods says of who was down, when, and why. Pure. */

/** A Pod as one revision of it says; `gone`: it was deleted with this revision. */
export interface PodChange {
  /** The revision of the whole API server that this change made. */
  revision: number;
  /** When the watch told of it, in milliseconds since 1970. */
  time: number;
  /** Of the Pod, and of its container. */
  name: string;
  uid: string;
  /** `<os>:<version>`. */
  image: string;
  ready: boolean;
  /** It has been asked to stop. */
  deleting: boolean;
  gone: boolean;
}

/** Taken down: its Pod was asked to stop. Failed: a Pod stopped being Ready by itself. */
export type Cause = 'TakenDown' | 'Failed';

export interface Outage {
  name: string;
  cause: Cause;
  from: number;
  /** Unset: it has not ended. */
  to?: number;
  /** What ran before, and what ended the outage. */
  imageBefore: string;
  imageAfter?: string;
}

export interface Availability {
  /** The most containers without a Ready Pod at any revision, and at which one first. */
  mostDown: number;
  mostDownRevision: number;
  /** The most of them that were so because their Pod had been asked to stop. */
  mostTakenDown: number;
  /**
   * The most that were down, for any cause, right after a Pod was asked to stop that was serving: whatever fails by itself, no
   * more may be taken down while this many are down already.
   */
  mostDownAtTakeDown: number;
  /** Mean number of those that were taken down, over the time from the first take-down to the end of the last of them. */
  meanDown: number;
  outages: Outage[];
  /** How many revisions of Pods were looked at. */
  revisions: number;
}

/**
 * Goes through the changes of a span, one revision after the other. Serving is a container whose Pod is Ready and has not been
 * told to stop. `names` are the containers that are looked at; `before` is what came before the span.
 */
export function availability(
  names: readonly string[],
  before: readonly PodChange[],
  changes: readonly PodChange[],
): Availability {
  const selected = new Set(names);
  const serving = servingAfter(before);
  const absent = names.filter((name) => !serving.has(name));
  const outages = absent.map((name): Outage => ({
    name,
    cause: 'Failed',
    from: changes[0]?.time ?? 0,
    imageBefore: '',
  }));
  const down = new Map(outages.map((outage) => [outage.name, outage]));
  const seen = { mostDown: down.size, mostDownRevision: 0, mostTakenDown: 0, mostDownAtTakeDown: 0 };
  let takenDown = 0;

  for (const change of changes) {
    const outage = down.get(change.name);
    if (!selected.has(change.name) || isServing(change) === (outage === undefined)) continue;
    if (outage) {
      down.delete(change.name);
      outage.to = change.time;
      outage.imageAfter = change.image;
      if (outage.cause === 'TakenDown') takenDown -= 1;
      continue;
    }
    const begun = outageBegunBy(change);
    outages.push(begun);
    down.set(change.name, begun);
    if (down.size > seen.mostDown) Object.assign(seen, { mostDown: down.size, mostDownRevision: change.revision });
    if (begun.cause === 'Failed') continue;
    takenDown += 1;
    seen.mostTakenDown = Math.max(seen.mostTakenDown, takenDown);
    seen.mostDownAtTakeDown = Math.max(seen.mostDownAtTakeDown, down.size);
  }
  return {
    ...seen,
    meanDown: meanOf(outages.filter(({ cause }) => cause === 'TakenDown')),
    outages,
    revisions: changes.length,
  };
}

/** The containers that serve after these changes. */
function servingAfter(changes: readonly PodChange[]): Set<string> {
  const serving = new Set<string>();
  for (const change of changes) {
    if (isServing(change)) serving.add(change.name);
    else serving.delete(change.name);
  }
  return serving;
}

const outageBegunBy = ({ name, image, time, deleting, gone }: PodChange): Outage => ({
  name,
  cause: deleting || gone ? 'TakenDown' : 'Failed',
  from: time,
  imageBefore: image,
});

/** How many of them there were at once, as a mean over the time from the first beginning to the last end. */
function meanOf(outages: readonly Outage[]): number {
  const first = Math.min(...outages.map(({ from }) => from));
  const last = Math.max(...outages.map(({ from, to }) => to ?? from));
  const sum = outages.reduce((total, { from, to }) => total + (to ?? last) - from, 0);
  return last > first ? sum / (last - first) : 0;
}

export const isServing = ({ ready, deleting, gone }: PodChange): boolean => ready && !deleting && !gone;

/** When the Pod of the first, second, … container was asked to stop, whether it was serving or not. */
export function departures(changes: readonly PodChange[]): number[] {
  const times = new Map<string, number>();
  for (const { name, time, deleting, gone } of changes) {
    if ((deleting || gone) && !times.has(name)) times.set(name, time);
  }
  return [...times.values()].sort((a, b) => a - b);
}

/** When the first, second, … container began to serve on the image. */
export function arrivals(changes: readonly PodChange[], image: string): number[] {
  const times = new Map<string, number>();
  for (const change of changes) {
    if (change.image === image && isServing(change) && !times.has(change.name)) times.set(change.name, change.time);
  }
  return [...times.values()].sort((a, b) => a - b);
}

/** The containers that ever had a Pod of the image, in the order of its making. */
export const touchedBy = (changes: readonly PodChange[], image: string): string[] => [
  ...new Set(changes.filter((change) => change.image === image).map(({ name }) => name)),
];
