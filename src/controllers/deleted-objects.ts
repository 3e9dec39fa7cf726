import type { Source } from '../runtime/controller.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { Reflector } from '../runtime/reflector.ts';

interface Memory<T> {
  /** The one that was there last, as it was seen. */
  last?: T;
  /** The one whose deletion the API server has accepted from this operator. */
  deleted?: { uid: string; time: string };
}

/**
 * What became of objects that this operator makes, by the key of what they are made for and by their names. One that is gone, or
 * going, although this operator has not deleted it was deleted by somebody else. An operator that starts knows of none that
 * went before: that deletion is not counted.
 */
export class DeletionExpectations<T extends KubeObject> {
  readonly #known = new Map<string, Map<string, Memory<T>>>();

  /** The deletion of this one was accepted. */
  add(key: string, { name, uid }: { name: string; uid: string }, now: Date): void {
    const memory = this.#of(key);
    memory.set(name, { ...memory.get(name), deleted: { uid, time: now.toISOString() } });
  }

  /**
   * Sees each object as soon as the cache does, from the start of the controller on: one that somebody deletes at once may be gone
   * before a run finds it. `keyFor` gives nothing for what this operator has not made. It must come before the source of the keys.
   */
  source<S extends T>(reflector: Reflector<S>, keyFor: (object: S) => string | undefined): Source {
    return {
      name: reflector.name,
      synced: (signal) => reflector.synced(signal),
      start: () =>
        reflector.store.subscribe((_key, _old, current) => {
          const key = current && keyFor(current);
          if (current && key !== undefined) this.#saw(this.#of(key), current);
        }),
    };
  }

  /** What they are made for is gone. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** When this operator deleted this very one, if it did. */
  deletionTime(key: string, { metadata }: T): string | undefined {
    const { deleted } = this.#known.get(key)?.get(metadata.name) ?? {};
    return deleted?.uid === metadata.uid ? deleted?.time : undefined;
  }

  /** Sees all that is there now, and gives those that others have deleted: as they were last, until there is another of the name. */
  see(key: string, present: readonly T[]): readonly T[] {
    const memory = this.#of(key);
    for (const object of present) this.#saw(memory, object);
    const names = new Set(present.map(({ metadata }) => metadata.name));
    return [...memory].flatMap(([name, { last, deleted }]) => {
      if (!last || last.metadata.uid === deleted?.uid) return [];
      return names.has(name) && last.metadata.deletionTimestamp === undefined ? [] : [last];
    });
  }

  #saw(memory: Map<string, Memory<T>>, object: T): void {
    const { name, uid } = object.metadata;
    const { deleted } = memory.get(name) ?? {};
    memory.set(name, { last: object, ...(deleted?.uid === uid && deleted !== undefined && { deleted }) });
  }

  #of(key: string): Map<string, Memory<T>> {
    const known = this.#known.get(key) ?? new Map<string, Memory<T>>();
    this.#known.set(key, known);
    return known;
  }
}
