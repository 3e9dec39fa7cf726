import type { MonorootObject } from '../../scene/scene.ts';
import { printableLines } from '../../terminal.ts';
import type { ConditionRow, ObjectRef } from '../views.ts';

/** A text of others: nothing in it changes what stands around it, and it has an end. */
export const shown = (text: string): string => printableLines(text).slice(0, longest);
const longest = 8192;

/** What names an object in an address of the page. */
export function refOf({ kind, metadata }: Pick<MonorootObject, 'kind' | 'metadata'>): ObjectRef {
  const { namespace, name } = metadata;
  return { kind: kind as ObjectRef['kind'], ...(namespace !== undefined && { namespace }), name };
}

export const conditionRows = ({ status }: MonorootObject): ConditionRow[] =>
  (status?.conditions ?? []).map(({ type, status: value, reason, message, lastTransitionTime }) => ({
    type,
    status: value,
    reason,
    message: shown(message),
    since: lastTransitionTime,
  }));

/** A row that depends on its object alone is made once. */
export function oncePerObject<T extends object, Row>(make: (object: T) => Row): (object: T) => Row {
  const made = new WeakMap<T, Row>();
  return (object) => {
    const known = made.get(object);
    if (known !== undefined) return known;
    const row = make(object);
    made.set(object, row);
    return row;
  };
}

/** `v9` before `v10`. */
export const byName = new Intl.Collator('en', { numeric: true }).compare;
