import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';

interface Entry<T> {
  /** The revisions that were replaced, one after the other: while the cache has one of them, it has not seen the last write. */
  replaced: Set<string | undefined>;
  written: T;
}

/**
 * What was written and the cache does not know yet. An event of another kind, such as of the Pod that was just made, leads to
 * another look before that; what is decided by the older object is refused as a Conflict and has to be done again.
 */
export class MutationCache<T extends KubeObject> {
  readonly #entries = new Map<string, Entry<T>>();

  /** The object as it is after all that was written here; the one of the cache when that knows as much, or more. */
  get(cached: T): T {
    const entry = this.#entries.get(keyOf(cached.metadata));
    if (!entry) return cached;
    const isBehind =
      entry.replaced.has(cached.metadata.resourceVersion) && entry.written.metadata.uid === cached.metadata.uid;
    if (isBehind) return entry.written;
    this.#entries.delete(keyOf(cached.metadata));
    return cached;
  }

  /** `written` has replaced `old`, which came from here or from the cache. */
  mutated(old: T, written: T): void {
    const key = keyOf(old.metadata);
    // As in the cache: of no use, and by far the largest part.
    delete (written.metadata as { managedFields?: unknown }).managedFields;
    const replaced = this.#entries.get(key)?.replaced ?? new Set();
    if (written.metadata.resourceVersion === old.metadata.resourceVersion) return;
    this.#entries.set(key, { replaced: replaced.add(old.metadata.resourceVersion), written });
  }

  /** It is gone. */
  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets all that are gone. */
  prune(exists: (key: string) => boolean): void {
    for (const key of this.#entries.keys()) if (!exists(key)) this.#entries.delete(key);
  }
}
