import type { NodeStoreStatus, StoredImage } from '../../api/nodestore.ts';
import { setConditions } from '../../runtime/conditions.ts';
import type { NewCondition } from '../../runtime/conditions.ts';
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
  now: Date;
}

type Case = Pick<NewCondition, 'status' | 'reason' | 'message'>;

/** The whole status of a NodeStore; equal to the one before when nothing has changed. */
export function nodeStoreStatus(input: StatusInput): NodeStoreStatus {
  const { generation, before, now } = input;
  const observedGeneration = generation !== undefined ? { observedGeneration: generation } : {};
  const conditions = setConditions(before?.conditions, statedOf(input), generation, now);
  return {
    ...observedGeneration,
    conditions,
    images: fittingImages(input.images, input.desired).images,
    counts: countsOf(input),
    store: input.store,
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

/** Wanted images of which there is no room to tell. */
function untold({ desired, images }: StatusInput): Pick<NewCondition, 'reason' | 'message'> | undefined {
  const left = new Set(fittingImages(images, desired).left);
  const missing = desired.filter((image) => left.has(imageName(image)));
  const first = missing[0];
  if (!first) return undefined;
  const message = `This status has no room for ${missing.length} images, such as ${imageName(first)}, and no Pod gets them here: distribute fewer, or such with shorter defaults, to this node`;
  return { reason: 'TooManyImages', message };
}

/** First hit wins. */
function ready(input: StatusInput): Case {
  const { desired, images } = input;
  const failed = first(images, 'Failed');
  if (failed) return { status: 'False', reason: 'FetchFailed', message: summaryOf(failed) };
  const left = untold(input);
  if (left) return { status: 'False', ...left };
  const retrying = images.find((it) => it.state === 'Pending' && it.attempts);
  if (retrying) return { status: 'False', reason: 'FetchRetrying', message: summaryOf(retrying) };
  const fetching = first(images, 'Fetching');
  if (fetching) return { status: 'False', reason: 'Fetching', message: `Fetches ${imageName(fetching)}` };
  const pending = first(images, 'Pending');
  if (pending) return { status: 'False', reason: pending.reason ?? 'Pending', message: summaryOf(pending) };
  const count = desired.filter(({ retained }) => !retained).length;
  return { status: 'True', reason: 'AllStored', message: `Stores all ${count} wanted images` };
}

/** What is done of itself, Reconciling or Stalled, follows from why it is not Ready, or from what cannot go; so never both. */
function statedOf(input: StatusInput): NewCondition[] {
  const state = ready(input);
  const cause = [state, leftover(input)].find((it) => it && endOf(it.reason) === 'Person');
  const stalled: Case = cause
    ? { ...cause, status: 'True' }
    : { status: 'False', reason: 'Done', message: 'No action required' };
  return [
    { type: 'Reconciling', ...(cause ? waitsForPerson : reconciling(input)) },
    { type: 'Stalled', ...stalled },
    { type: 'Ready', ...state },
  ];
}

/** What else is under way then is reported of each image. */
const waitsForPerson: Case = { status: 'False', reason: 'Done', message: 'A person must act: see Stalled' };

/** What is left of a removal that killed agents takes room and keeps no image from being stored. */
function leftover({ leftovers = [] }: StatusInput): Case | undefined {
  const worst = leftovers.toSorted((a, b) => b.deaths - a.deaths)[0];
  if (!worst) return undefined;
  const reason = exhausted(worst.deaths, deathLimit) ? 'RemovalFailed' : 'RemovalRetrying';
  return { status: 'True', reason, message: removalDeathMessage(worst) };
}

function reconciling(input: StatusInput): Case {
  const { images } = input;
  const busy = first(images, 'Fetching') ?? first(images, 'Pending');
  if (busy) return { status: 'True', reason: 'Fetching', message: `Fetching ${imageName(busy)}` };
  const deleting = first(images, 'Deleting');
  if (deleting) return { status: 'True', reason: 'Deleting', message: `Deleting ${imageName(deleting)}` };
  return leftover(input) ?? { status: 'False', reason: 'Done', message: 'No action required' };
}
