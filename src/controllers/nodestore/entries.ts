import type { ImageDistribution } from '../../api/imagedistribution.ts';
import type { DesiredImage, NodeStore } from '../../api/nodestore.ts';
import { largestBytes } from '../../api/osimage.ts';
import type { OSImage } from '../../api/osimage.ts';
import { imageLabel, imageName } from '../../api/images.ts';
import { parseQuantity } from '../../api/kubernetes/quantity.ts';
import { sameStatus } from '../../runtime/status.ts';
import { deepFreeze } from '../../runtime/store.ts';
import { digestOf, fetchSourceOf } from '../images.ts';
import { entryNamed } from '../store-entries.ts';

/**
 * How a store is asked to hold an image. A fleet asks for the same of thousands of nodes, again and again: what is the same for all
 * of them is one object, and where a store says it already, it is the entry of that store.
 */

export type Limits = ImageDistribution['spec']['download'];

/** One whose OSImage is gone is reported as before, as long as something pins it. `sizeOf`: the bytes on disk that nodes agree on. */
export function desiredEntry(
  image: OSImage | undefined,
  key: { os: string; version: string },
  store: NodeStore | undefined,
  limits: Limits | undefined,
  sizeOf: (digest: string) => number | undefined,
): DesiredImage | undefined {
  const assigned = entryNamed(store?.spec.images, key.os, key.version);
  const shared = image && sharedEntry(image, limits);
  if (!shared) return assigned && asPinned(assigned);
  // Said once, and only lowered: a hint is worth no second write, and none to a node that has the image.
  const before = assigned?.digest === shared.digest ? assigned.unpackedBytes : undefined;
  const agreed = isStored(shared, store) ? undefined : sizeOf(shared.digest);
  const unpackedBytes = before === undefined ? agreed : Math.min(before, agreed ?? before, largestBytes);
  if (assigned && assigned.unpackedBytes === unpackedBytes && says(assigned, shared)) return assigned;
  return unpackedBytes === undefined ? shared : { ...shared, unpackedBytes };
}

export const isStored = (desired: DesiredImage, store: NodeStore | undefined): boolean => {
  const stored = entryNamed(store?.status?.images, desired.os, desired.version);
  return stored?.digest === desired.digest && stored.state === 'Ready';
};

/** Entries that say all that the shared one says, and no more but a size. */
const saysTheSame = new WeakMap<DesiredImage, DesiredImage>();

function says(assigned: DesiredImage, shared: DesiredImage): boolean {
  if (saysTheSame.get(assigned) === shared) return true;
  const { unpackedBytes: _bytes, ...others } = assigned;
  if (!sameStatus(others, shared)) return false;
  if (Object.isFrozen(assigned)) saysTheSame.set(assigned, shared);
  return true;
}

/** The result for the same object again without asking again; forgotten with the object. Only for what is never changed. */
function remembered<R extends object>(of: (image: DesiredImage) => R): (image: DesiredImage) => R {
  const known = new WeakMap<DesiredImage, R>();
  return (image) => {
    // So that it is kept once for an image and not for each node.
    const object = saysTheSame.get(image) ?? image;
    const found = known.get(object) ?? of(object);
    known.set(object, found);
    return found;
  };
}

/** Its name and the label that says that a node has it. */
export const namesOf = remembered((image) => ({ name: imageName(image), label: imageLabel(image) }));

const usualLimits: Limits = Object.freeze({ timeoutSeconds: 900, backoffLimit: 5 });
/** By image and limits, which live in objects that are replaced when they change. */
const entries = new WeakMap<OSImage, WeakMap<Limits, DesiredImage>>();

function sharedEntry(image: OSImage, limits: Limits = usualLimits): DesiredImage | undefined {
  const known = entries.get(image)?.get(limits);
  if (known) return known;
  const [digest, source] = [digestOf(image), fetchSourceOf(image)];
  if (digest === undefined || !source) return undefined;
  const { os, version, mountScript } = image.spec;
  const entry: DesiredImage = {
    os,
    version,
    digest,
    source,
    ...(mountScript && { mountScript }),
    ...limitsOf({ ...usualLimits, ...limits }),
  };
  if (!Object.isFrozen(image) || !Object.isFrozen(limits)) return entry;
  deepFreeze(entry);
  const ofImage = entries.get(image) ?? new WeakMap<Limits, DesiredImage>();
  entries.set(image, ofImage.set(limits, entry));
  return entry;
}

/** As a node gets them. */
function limitsOf({ timeoutSeconds, backoffLimit, bytesPerSecond }: Limits) {
  const bytes = bytesPerSecond === undefined ? undefined : parseQuantity(bytesPerSecond);
  return { timeoutSeconds, backoffLimit, ...(bytes !== undefined && { bytesPerSecond: Math.floor(bytes) }) };
}

const asPinned = ({ retained: _retained, ...assigned }: DesiredImage): DesiredImage => assigned;
