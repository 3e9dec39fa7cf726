import { imageName } from '../api/images.ts';
import type { ImageName } from '../api/images.ts';

/** Entries of the lists of NodeStores, found by name without reading through the list for each name. */

/** A shorter list is read through faster than it is filed. */
const worthFiling = 8;
const filed = new WeakMap<readonly ImageName[], ReadonlyMap<string, ImageName>>();

/**
 * The entry of a version; names are unique in these lists. A list of a cache is filed by name once in its life: it is frozen, so it
 * stays as it is, and the file goes when the list goes.
 */
export function entryNamed<T extends ImageName>(
  list: readonly T[] | undefined,
  os: string,
  version: string,
): T | undefined {
  if (!list) return undefined;
  if (list.length < worthFiling || !Object.isFrozen(list))
    return list.find((it) => it.version === version && it.os === os);
  let byName = filed.get(list);
  if (!byName) filed.set(list, (byName = new Map(list.map((it) => [imageName(it), it]))));
  return byName.get(`${os}:${version}`) as T | undefined;
}
