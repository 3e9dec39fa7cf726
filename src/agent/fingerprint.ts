import { createHash } from 'node:crypto';
import type { DesiredImage } from '../api/nodestore.ts';

/**
 * Tells one desired entry from another of the same name: any change of it is a reason to try again at once. What is only known
 * about an image, and why it is desired, is no such change.
 */
export function fingerprintOf(image: DesiredImage): string {
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
