import { states } from '../cli/dashboard/views.ts';
import type { ContainerRow } from '../cli/dashboard/views.ts';

interface Keys {
  /** Where the row comes in a list. */
  order: string;
  /** What a filter looks at. */
  text: string;
}

/** A row that did not change is the same object, so of ten thousand only those that changed cost something. */
const known = new WeakMap<ContainerRow, Keys>();

export function keysOf(row: ContainerRow): Keys {
  const before = known.get(row);
  if (before) return before;
  const { namespace, name, image, os, target, node, reason, state } = row;
  const keys = {
    order: `${states.indexOf(state)}${namespace}/${name}`,
    text: `${namespace}/${name} ${image ?? os} ${target ?? ''} ${node ?? ''} ${reason}`.toLowerCase(),
  };
  known.set(row, keys);
  return keys;
}

/** Those that need a person most first, then by name. */
export function inOrder(rows: readonly ContainerRow[]): ContainerRow[] {
  const keyed = rows.map((row) => ({ row, order: keysOf(row).order }));
  keyed.sort((a, b) => (a.order < b.order ? -1 : 1));
  return keyed.map(({ row }) => row);
}
