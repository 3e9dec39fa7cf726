import type { ImageDistribution } from '../api/imagedistribution.ts';
import { parseReference } from '../api/images.ts';

/**
 * The order of the versions of an OS, from nothing but their names: runs of digits by their value, all else by character, and
 * what goes on is above what ends. So v9 is below v10, and 12.4 below 12.4-1. Negative when `a` is below `b`.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (const [i, part] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const order = compareParts(part, other);
    if (order !== 0) return order;
  }
  // Equal but for zeros in front of a number: these too must have one order for all.
  return left.length - right.length || compareText(a, b);
}

const partsOf = (version: string): string[] => version.match(/\d+|\D+/g) ?? [];

function compareParts(a: string, b: string): number {
  if (!isNumber(a) || !isNumber(b)) return compareText(a, b);
  const [left, right] = [a, b].map((it) => it.replace(/^0+/, '')) as [string, string];
  return left.length - right.length || compareText(left, right);
}

const isNumber = (part: string): boolean => /^\d/.test(part);
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of images of one OS by their versions. */
export const compareImages = (a: string, b: string): number =>
  compareVersions(parseReference(a).version ?? '', parseReference(b).version ?? '');

/** The order of distributions of one OS by what they name; of the same image the first by name is above. */
export const compareDistributions = (a: ImageDistribution, b: ImageDistribution): number =>
  compareImages(a.spec.image, b.spec.image) || compareText(b.metadata.name, a.metadata.name);
