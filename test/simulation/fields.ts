import { isDeepStrictEqual } from 'node:util';
import type { JsonPatchOperation } from '../../src/kube/client.ts';

/** Ownership of fields as server-side apply keeps it: a field is a leaf of the object, and a list is one leaf. */

export type Json = Record<string, unknown>;

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Paths of all leaves, as JSON texts; an empty map is a leaf. */
export function leavesOf(value: Json, path: readonly string[] = []): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  for (const [key, child] of Object.entries(value)) {
    if (child === undefined) continue;
    const at = [...path, key];
    if (isMap(child) && Object.keys(child).length > 0) {
      for (const [leaf, it] of leavesOf(child, at)) leaves.set(leaf, it);
    } else leaves.set(JSON.stringify(at), child);
  }
  return leaves;
}

/** Whether the object has anything at this path. */
function isThere(target: Json, leaf: string): boolean {
  let at: unknown = target;
  for (const key of JSON.parse(leaf) as string[]) at = isMap(at) ? at[key] : undefined;
  return at !== undefined;
}

function setLeaf(target: Json, leaf: string, value: unknown): void {
  const path = JSON.parse(leaf) as string[];
  let at = target;
  for (const key of path.slice(0, -1)) {
    if (!isMap(at[key])) at[key] = {};
    at = at[key] as Json;
  }
  at[path.at(-1) ?? ''] = structuredClone(value);
}

/** Removes the leaf, and the maps that it leaves empty. */
function removeLeaf(target: Json, leaf: string): void {
  const remove = (at: Json, path: readonly string[]): void => {
    const [key = '', ...rest] = path;
    const child = at[key];
    if (rest.length === 0) {
      // An owner of an empty map owns nothing that others have put into it.
      if (!isMap(child) || Object.keys(child).length === 0) Reflect.deleteProperty(at, key);
      return;
    }
    if (!isMap(child)) return;
    remove(child, rest);
    if (Object.keys(child).length === 0) Reflect.deleteProperty(at, key);
  };
  remove(target, JSON.parse(leaf) as string[]);
}

/** JSON merge patch (RFC 7386). */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return structuredClone(patch);
  const result: Json = isMap(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) Reflect.deleteProperty(result, key);
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Who owns which leaves. */
export interface Owner {
  leaves: Set<string>;
}

/**
 * The object after a server-side apply of `sent` by an owner that had `before`: what it no longer sends and no other owner has
 * goes; `taken` is what other owners lose because the value is another one now.
 */
export function applyFields<O extends Owner>(
  object: object,
  sent: Json,
  before: ReadonlySet<string>,
  others: readonly O[],
): { object: Json; leaves: Set<string>; taken: Map<O, Set<string>> } {
  const next = structuredClone(object) as Json;
  const present = leavesOf(next);
  const leaves = leavesOf(sent);
  const taken = new Map<O, Set<string>>();
  for (const other of others) {
    const lost = [...leaves].filter(
      ([leaf, value]) => other.leaves.has(leaf) && !isDeepStrictEqual(present.get(leaf), value),
    );
    if (lost.length > 0) taken.set(other, new Set(lost.map(([leaf]) => leaf)));
  }
  for (const leaf of before) {
    if (!leaves.has(leaf) && !others.some((it) => it.leaves.has(leaf))) removeLeaf(next, leaf);
  }
  for (const [leaf, value] of leaves) {
    const isEmptyMap = isMap(value) && Object.keys(value).length === 0;
    if (!isEmptyMap || !isThere(next, leaf)) setLeaf(next, leaf, value);
  }
  return { object: next, leaves: new Set(leaves.keys()), taken };
}

/** What a JSON pointer is about: a member of an object that is there. */
function pointedAt(object: Json, pointer: string): { parent: Json; last: string } {
  const names = pointer.slice(1).split('/').map((it) => it.replaceAll('~1', '/').replaceAll('~0', '~')); // prettier-ignore
  const last = names.pop() ?? '';
  return { parent: names.reduce<Json>((at, name) => (at[name] ?? {}) as Json, object), last };
}

/** RFC 6902, as far as the operator uses it; undefined when a test does not hold. Changes `object`. */
export function jsonPatch(object: Json, operations: readonly JsonPatchOperation[]): Json | undefined {
  for (const operation of operations) {
    const { parent, last } = pointedAt(object, operation.path);
    if (operation.op === 'copy') {
      const from = pointedAt(object, operation.from);
      if (from.parent[from.last] === undefined) return undefined;
      parent[last] = structuredClone(from.parent[from.last]);
    }
    if (operation.op === 'test' && !isDeepStrictEqual(parent[last], operation.value)) return undefined;
    if (operation.op === 'remove') Reflect.deleteProperty(parent, last);
    if (operation.op === 'add' || operation.op === 'replace')
      parent[last] = JSON.parse(JSON.stringify(operation.value)) as unknown;
  }
  return object;
}
