import type { DesiredImage } from '../api/nodestore.ts';
import { mostImages } from '../api/nodestore.ts';

/**
 * What of an object in etcd (1.5 MiB by default) the list of desired images may take. The agent has 480 KiB for what it reports
 * (src/agent/status/limits.ts), and the API server keeps who owns which field of both.
 */
export const mostBytes = 800 * 1024;

/** Why a node stores an image; the first stays longest when there are too many. */
export type Cause = 'Pinned' | 'Tested' | 'Distributed' | 'Retained';
const causes: readonly Cause[] = ['Pinned', 'Tested', 'Distributed', 'Retained'];

/** Of objects that stay as they are: all nodes are asked for the same few. */
const knownBytes = new WeakMap<object, number>();

/** Bytes that it takes in etcd: the API server writes these characters as six. */
export function bytesOf(image: object): number {
  const known = knownBytes.get(image);
  if (known !== undefined) return known;
  const bytes = Buffer.byteLength(JSON.stringify(image).replace(/[<>&\u2028\u2029]/g, '\\u0000'));
  if (Object.isFrozen(image)) knownBytes.set(image, bytes);
  return bytes;
}

/** As many images as a NodeStore can hold: those with the better cause first, and of one cause those that it holds already. */
export function fitting(entries: readonly { image: DesiredImage; cause: Cause; assigned: boolean }[]): {
  kept: DesiredImage[];
  cut: DesiredImage[];
} {
  const order = entries.toSorted(
    (a, b) => causes.indexOf(a.cause) - causes.indexOf(b.cause) || Number(b.assigned) - Number(a.assigned),
  );
  const [kept, cut]: [DesiredImage[], DesiredImage[]] = [[], []];
  let bytes = 0;
  const few = areFew(entries.map(({ image }) => image));
  for (const { image } of order) {
    const size = few ? 0 : bytesOf(image);
    const fits = kept.length < mostImages && bytes + size <= mostBytes;
    if (fits) bytes += size;
    (fits ? kept : cut).push(image);
  }
  return { kept, cut };
}

/** So few that they need not be counted byte by byte, which is dear for a whole fleet. */
const areFew = (images: readonly { mountScript?: string | undefined }[]): boolean =>
  images.reduce((sum, { mountScript = '' }) => sum + mostBytesOfSource + 6 * mountScript.length, 0) <= mostBytes;
/** A URL of 2048 characters, each of them written as six bytes, and all else. */
const mostBytesOfSource = 16 * 1024;

/** All that a desired image says besides its mount script and its source. */
const mostOtherBytes = 1024;

/** Whether there is no place for one more image, though all that are only retained went. */
export function isFull(
  assigned: readonly DesiredImage[],
  more: { mountScript?: string | undefined; source: object },
): boolean {
  const staying = assigned.filter(({ retained }) => !retained);
  if (areFew([...staying, more])) return false;
  const bytes = staying.reduce((sum, image) => sum + bytesOf(image), 0);
  const { mountScript, source } = more;
  return staying.length >= mostImages || bytes + bytesOf({ mountScript, source }) + mostOtherBytes > mostBytes;
}
