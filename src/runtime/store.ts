import { keyOf } from './object.ts';
import type { KubeObject } from './object.ts';

/** Told of every change: no `old` when the object is new, no `current` when it is gone. */
export type ChangeHandler<T> = (key: string, old: T | undefined, current: T | undefined) => void;

interface Index<T> {
  values: (object: T) => Iterable<string>;
  keys: Map<string, Set<string>>;
}

/** Freezes an object and all that it holds: what the whole process shares must not be changed by one of its readers. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}

/** What all but its owner may do with a store. All objects in it are frozen. */
export interface ReadonlyStore<T extends KubeObject> {
  readonly size: number;
  /** By `<namespace>/<name>`, or `<name>` for what lives in no namespace. */
  get(key: string): T | undefined;
  /** All objects, in no particular order. */
  list(): T[];
  /** The objects that index `name` files under `value`. Throws when there is no such index. */
  byIndex(name: string, value: string): T[];
  /** Files every object, present and future, under each of the values that the function gives for it. */
  addIndex(name: string, values: (object: T) => Iterable<string>): void;
  /** Calls the handler for every object that is there and then for every change, until the returned function is called. */
  subscribe(handler: ChangeHandler<T>): () => void;
}

/** The latest known state of a collection of objects, with indexes over it. */
export class Store<T extends KubeObject> implements ReadonlyStore<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #onError: (error: unknown) => void;

  /** `onError` hears of handlers that throw: one that stumbles over an object must not keep the others from it. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`The store has no index ${name}`);
    const objects: T[] = [];
    for (const key of index.keys.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object) objects.push(object);
    }
    return objects;
  }

  addIndex(name: string, values: (object: T) => Iterable<string>): void {
    if (this.#indexes.has(name)) throw new Error(`The store already has an index ${name}`);
    const index: Index<T> = { values, keys: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) file(index, key, object);
  }

  subscribe(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const [key, object] of this.#objects) this.#tell(handler, key, undefined, object);
    return () => this.#handlers.delete(handler);
  }

  /** Stores one object. An object in the same revision as the known one changes nothing and tells no one. */
  set(object: T): void {
    const key = keyOf(object.metadata);
    const old = this.#objects.get(key);
    if (old && sameRevision(old, object)) return;
    this.#change(key, old, deepFreeze(object));
  }

  delete(key: string): void {
    const old = this.#objects.get(key);
    if (old) this.#change(key, old, undefined);
  }

  /** Makes the store equal to `objects`, telling about the differences only. */
  replace(objects: Iterable<T>): void {
    const gone = new Set(this.#objects.keys());
    for (const object of objects) {
      gone.delete(keyOf(object.metadata));
      this.set(object);
    }
    for (const key of gone) this.delete(key);
  }

  #change(key: string, old: T | undefined, current: T | undefined): void {
    for (const index of this.#indexes.values()) {
      if (old) unfile(index, key, old);
      if (current) file(index, key, current);
    }
    if (current) this.#objects.set(key, current);
    else this.#objects.delete(key);
    for (const handler of this.#handlers) this.#tell(handler, key, old, current);
  }

  #tell(handler: ChangeHandler<T>, key: string, old: T | undefined, current: T | undefined): void {
    try {
      handler(key, old, current);
    } catch (error) {
      this.#onError(error);
    }
  }
}

function sameRevision(old: KubeObject, current: KubeObject): boolean {
  const revision = current.metadata.resourceVersion;
  return (
    revision !== undefined && revision === old.metadata.resourceVersion && current.metadata.uid === old.metadata.uid
  );
}

function file<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const keys = index.keys.get(value);
    if (keys) keys.add(key);
    else index.keys.set(value, new Set([key]));
  }
}

function unfile<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.values(object)) {
    const keys = index.keys.get(value);
    keys?.delete(key);
    if (keys?.size === 0) index.keys.delete(value);
  }
}
