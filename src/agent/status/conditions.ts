import type { NodeStoreStatus, StoredImage, PluginStatus } from '../../api/nodestore.ts';
import { above, stateConditions } from '../../runtime/condition-table.ts';
import type { ConditionRow, Finding, Stated } from '../../runtime/condition-table.ts';
import { setConditions } from '../../runtime/conditions.ts';
import { deathLimit, exhausted } from '../fetch/backoff.ts';
import type { Leftover } from '../store/remove.ts';
import { removalDeathMessage } from './image-status.ts';
import { endOf } from './reasons.ts';
import { fittingImages } from './limits.ts';
import { imageName } from '../../api/images.ts';
import type { ImageName } from '../../api/images.ts';
import type { Space } from '../../image/disk/space.ts';

export interface StatusInput {
  generation: number | undefined;
  /** The status as it is, for the times of its conditions. */
  before: NodeStoreStatus | undefined;
  desired: readonly (ImageName & { retained?: boolean | undefined })[];
  images: readonly StoredImage[];
  store: NonNullable<NodeStoreStatus['store']>;
  /** What agents died of when they deleted it. */
  leftovers?: readonly Leftover[];
  /** The node plugin answers. */
  plugin?: PluginStatus | undefined;
  now: Date;
}

/** Ready sums up the images. Stalled follows from it and from what cannot go, and Reconciling from Stalled; so never both. */
const table: readonly ConditionRow<StatusInput>[] = [
  { type: 'Ready', rules: [fetchFailed, tooManyImages, fetchRetrying, fetching, pending, allStored] },
  { type: 'Stalled', rules: [storingNeedsPerson, removalNeedsPerson, notStalled] },
  { type: 'Reconciling', rules: [waitsForPerson, busyFetching, busyDeleting, leftover, settled] },
];

/** The whole status of a NodeStore; equal to the one before when nothing has changed. */
export function nodeStoreStatus(input: StatusInput): NodeStoreStatus {
  const { generation, before, now } = input;
  const observedGeneration = generation !== undefined ? { observedGeneration: generation } : {};
  const conditions = setConditions(before?.conditions, stateConditions(table, input), generation, now);
  return {
    ...observedGeneration,
    conditions,
    images: fittingImages(input.images, input.desired).images,
    counts: countsOf(input),
    store: input.store,
    ...input.plugin,
  };
}

/**
 * What is said of the disk: the same as before unless images came or went or free space has moved by a twentieth of the disk,
 * so that a disk that others write to causes no writes to the API server.
 */
export function storeSpace(
  before: NodeStoreStatus['store'],
  usedBytes: number,
  { totalBytes, freeBytes }: Space,
): NonNullable<NodeStoreStatus['store']> {
  const moved = Math.abs((before?.freeBytes ?? 0) - freeBytes) >= totalBytes / 20;
  if (before?.usedBytes === usedBytes && before.capacityBytes === totalBytes && !moved) return before;
  return { usedBytes, freeBytes, capacityBytes: totalBytes };
}

/** Retained images are extra: no one is missing anything when one is gone. */
function countsOf({ desired: all, images }: StatusInput): NonNullable<NodeStoreStatus['counts']> {
  const desired = all.filter(({ retained }) => !retained);
  const keys = new Set(desired.map(imageName));
  const of = (state: StoredImage['state']) =>
    images.filter((it) => keys.has(imageName(it)) && it.state === state).length;
  return { desired: desired.length, ready: of('Ready'), failed: of('Failed') };
}

const first = (images: readonly StoredImage[], state: StoredImage['state']) => images.find((it) => it.state === state);
const summaryOf = (image: StoredImage) => `${imageName(image)}: ${image.reason ?? image.state}: ${image.message ?? ''}`;

function fetchFailed({ images }: StatusInput): Finding | undefined {
  const failed = first(images, 'Failed');
  return failed && { status: 'False', reason: 'FetchFailed', message: summaryOf(failed) };
}

/** Desired images for which this status has no room. */
function tooManyImages({ desired, images }: StatusInput): Finding | undefined {
  const left = new Set(fittingImages(images, desired).left);
  const missing = desired.filter((image) => left.has(imageName(image)));
  const first = missing[0];
  if (!first) return undefined;
  const message = `This status has no room for ${missing.length} images, such as ${imageName(first)}, so no Pod can use them here: distribute fewer images to this node, or images with shorter defaults`;
  return { status: 'False', reason: 'TooManyImages', message };
}

function fetchRetrying({ images }: StatusInput): Finding | undefined {
  const retrying = images.find((it) => it.state === 'Pending' && it.attempts);
  return retrying && { status: 'False', reason: 'FetchRetrying', message: summaryOf(retrying) };
}

function fetching({ images }: StatusInput): Finding | undefined {
  const fetched = first(images, 'Fetching');
  return fetched && { status: 'False', reason: 'Fetching', message: `Fetches ${imageName(fetched)}` };
}

function pending({ images }: StatusInput): Finding | undefined {
  const waiting = first(images, 'Pending');
  return waiting && { status: 'False', reason: waiting.reason ?? 'Pending', message: summaryOf(waiting) };
}

function allStored({ desired }: StatusInput): Finding {
  const count = desired.filter(({ retained }) => !retained).length;
  return { status: 'True', reason: 'AllStored', message: `Stores all ${count} wanted images` };
}

function storingNeedsPerson(_input: StatusInput, stated: readonly Stated[]): Finding | undefined {
  const ready = above(stated, 'Ready');
  return endOf(ready.reason) === 'Person' ? { ...ready, status: 'True' } : undefined;
}

function removalNeedsPerson(input: StatusInput): Finding | undefined {
  const left = leftover(input);
  return left && endOf(left.reason) === 'Person' ? left : undefined;
}

function notStalled(): Finding {
  return { status: 'False', reason: 'Done', message: 'No action required' };
}

/** What else is under way then is reported of each image. */
function waitsForPerson(_input: StatusInput, stated: readonly Stated[]): Finding | undefined {
  if (above(stated, 'Stalled').status !== 'True') return undefined;
  return { status: 'False', reason: 'Done', message: 'A person must act: see Stalled' };
}

function busyFetching({ images }: StatusInput): Finding | undefined {
  const busy = first(images, 'Fetching') ?? first(images, 'Pending');
  return busy && { status: 'True', reason: 'Fetching', message: `Fetching ${imageName(busy)}` };
}

function busyDeleting({ images }: StatusInput): Finding | undefined {
  const deleting = first(images, 'Deleting');
  return deleting && { status: 'True', reason: 'Deleting', message: `Deleting ${imageName(deleting)}` };
}

/** The rest of a tree whose removal killed agents. It takes space, but images can still be stored. */
function leftover({ leftovers = [] }: StatusInput): Finding | undefined {
  const worst = leftovers.toSorted((a, b) => b.deaths - a.deaths)[0];
  if (!worst) return undefined;
  const reason = exhausted(worst.deaths, deathLimit) ? 'RemovalFailed' : 'RemovalRetrying';
  return { status: 'True', reason, message: removalDeathMessage(worst) };
}

function settled(): Finding {
  return { status: 'False', reason: 'Done', message: 'No action required' };
}
