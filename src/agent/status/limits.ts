import { mostImages } from '../../api/nodestore.ts';
import type { StoredImage } from '../../api/nodestore.ts';
import { truncate } from '../../runtime/text.ts';
import { imageName } from '../../api/images.ts';
import type { ImageName } from '../../api/images.ts';

/**
 * What of an object in etcd (1.5 MiB by default) the list of stored images may take; the operator has 800 KiB for what it wants
 * (src/controllers/node-limits.ts).
 */
export const mostBytes = 480 * 1024;
const shortMessage = 128;

/** Bytes that it takes in etcd: the API server writes these characters as six. */
const bytesOf = (image: StoredImage): number =>
  Buffer.byteLength(JSON.stringify(image).replace(/[<>&\u2028\u2029]/g, '\\u0000'));

/**
 * As many images as a status can hold, in their order, and the keys of those left out. What no one wants is left out first, then
 * what is only retained, then what takes most. An image that is not told counts as one that the node has not, so that no Pod
 * comes to it, and it may go.
 */
export function fittingImages(
  images: readonly StoredImage[],
  desired: readonly (ImageName & { retained?: boolean | undefined })[],
): { images: StoredImage[]; left: string[] } {
  if (fits(images)) return { images: [...images], left: [] };
  const short = images.map((image) =>
    image.message === undefined ? image : { ...image, message: truncate(image.message, shortMessage) },
  );
  const asked = new Map(desired.map((image) => [imageName(image), image.retained ? 1 : 0]));
  const rank = (image: StoredImage) => asked.get(imageName(image)) ?? 2;
  const order = short
    .map((image) => ({ image, rank: rank(image), bytes: bytesOf(image) }))
    .sort((a, b) => a.rank - b.rank || a.bytes - b.bytes);
  const kept = new Set<StoredImage>();
  let total = 0;
  for (const { image, bytes } of order) {
    if (kept.size === mostImages || total + bytes > mostBytes) break;
    kept.add(image);
    total += bytes;
  }
  return {
    images: short.filter((image) => kept.has(image)),
    left: short.filter((image) => !kept.has(image)).map(imageName),
  };
}

const fits = (images: readonly StoredImage[]): boolean =>
  images.length <= mostImages && images.reduce((sum, image) => sum + bytesOf(image), 0) <= mostBytes;
