import { structuralSchema } from '../../api/crd.ts';
import type { KindDefinition } from '../../api/meta.ts';

export type Path = (string | number)[];
export interface Problem {
  path: Path;
  message: string;
}

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

/** What the schema of a kind says against a spec: types, bounds, patterns, missing fields; and fields that it does not know. */
export function schemaProblems({ spec }: KindDefinition, value: unknown): Problem[] {
  const parsed = spec.safeParse(value);
  const issues = (parsed.error?.issues ?? []).map(({ path, message }) => ({
    path: ['spec', ...path.map((part) => (typeof part === 'number' ? part : String(part)))],
    message,
  }));
  return [...unknownFields(structuralSchema(spec), value, ['spec']), ...issues];
}

function unknownFields(schema: Schema, value: unknown, path: Path): Problem[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item: unknown, i) => unknownFields(items, item, [...path, i])) : [];
  }
  const { properties, additionalProperties } = schema;
  if (!properties || schema['x-kubernetes-preserve-unknown-fields'] === true) return [];
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const below = properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
    const at = [...path, name];
    return below ? unknownFields(below, inner, at) : [{ path: at, message: `unknown field ${at.join('.')}` }];
  });
}
