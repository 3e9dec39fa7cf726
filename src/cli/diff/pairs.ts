/** One thing as it is in two lists; in one of them it may be missing. */
export interface Pair<T> {
  before?: T;
  after?: T;
}

/**
 * What is not the same in two lists, by its key, in order of the keys. The lists are taken in step, so that little of them is in
 * memory as long as they are alike; they need not be sorted.
 */
export async function pairDifferences<T>(
  before: AsyncIterator<T>,
  after: AsyncIterator<T>,
  { key, text }: { key: (item: T) => string; text: (item: T) => string },
): Promise<Map<string, Pair<T>>> {
  const pairs = new Map<string, Pair<T>>();
  const meet = (side: 'before' | 'after', item: T) => {
    const name = key(item);
    const pair = { ...pairs.get(name), [side]: item };
    if (pair.before !== undefined && pair.after !== undefined && text(pair.before) === text(pair.after)) {
      pairs.delete(name);
    } else pairs.set(name, pair);
  };
  try {
    for (let more = true; more;) {
      const [one, other] = await Promise.all([before.next(), after.next()]);
      more = one.done !== true || other.done !== true;
      if (one.done !== true) meet('before', one.value);
      if (other.done !== true) meet('after', other.value);
    }
  } finally {
    await Promise.allSettled([before.return?.(), after.return?.()]);
  }
  return new Map([...pairs].sort(([one], [other]) => (one < other ? -1 : 1)));
}
