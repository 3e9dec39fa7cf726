import { CORE_SCHEMA, YAMLException, boolYaml11Tag, floatYaml11Tag, intYaml11Tag, loadAll, mergeTag } from 'js-yaml';
import { CommandError } from '../command.ts';
import { placesOf } from './places.ts';
import type { Place } from './places.ts';

/** One object of a file. */
export interface Document {
  file: string;
  value: Record<string, unknown>;
  /** Where in the file it is written. */
  place: Place;
}

/** As kubectl reads YAML: `yes` and `on` are true, and `0644` is octal. */
const schema = CORE_SCHEMA.withTags(mergeTag, boolYaml11Tag, intYaml11Tag, floatYaml11Tag);

/** The objects of a file of YAML or JSON documents, those of a List one by one; without empty documents. Throws an error for users when it is no YAML. */
export function documentsOf(file: string, text: string): Document[] {
  const [values, places] = parse(file, text);
  return values.flatMap((value, i) => {
    const place = places[i];
    return isObject(value) && place ? objectsIn({ file, value, place }) : [];
  });
}

function parse(file: string, text: string): [unknown[], Place[]] {
  try {
    return [loadAll(text, { schema }), placesOf(text)];
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = error.mark === undefined ? '' : `:${error.mark.line + 1}`;
    throw new CommandError(`${file}${line}: the file is no YAML: ${error.reason}`);
  }
}

/** A List, as `kubectl get -o yaml` writes it, is its items. */
function objectsIn({ file, value, place }: Document): Document[] {
  const { kind, items } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [{ file, value, place }];
  const below = place.children.get('items');
  return items.flatMap((item: unknown, i) =>
    isObject(item) ? [{ file, value: item, place: below?.children.get(i) ?? place }] : [],
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The line of the file where a field is, or the nearest one above it that is written there. */
export function lineOf({ place }: Pick<Document, 'place'>, path: readonly (string | number)[]): number {
  let at = place;
  for (const part of path) {
    const next = at.children.get(part);
    if (!next) break;
    at = next;
  }
  return at.line;
}
