import { customResourceDefinition } from '../../api/crd.ts';
import type { CelRule, KindDefinition } from '../../api/meta.ts';
import { isTransition, keeps } from './cel.ts';

export type Path = (string | number)[];
export interface Problem {
  path: Path;
  message: string;
}

/** What the API server knows of a value, as far as it is looked at here. */
export interface Schema {
  type?: string;
  default?: unknown;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  'x-kubernetes-list-map-keys'?: readonly string[];
  'x-kubernetes-validations'?: readonly CelRule[];
}

interface Definition {
  spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
}
const schemas = new Map<string, Schema>();

/** The schema of a kind, as its CustomResourceDefinition has it. */
export function schemaOf(definition: KindDefinition): Schema {
  const known = schemas.get(definition.kind);
  if (known) return known;
  const { spec } = customResourceDefinition(definition) as unknown as Definition;
  const schema = spec.versions[0]?.schema.openAPIV3Schema ?? {};
  schemas.set(definition.kind, schema);
  return schema;
}

/**
 * What the definition of a kind says against an object: types, bounds, patterns, missing fields, fields that it does not know, entries that
 * are there twice, and the rules in CEL. As in the API server, a rule is asked only of what has no other problem.
 */
export function problemsOf(definition: KindDefinition, object: Record<string, unknown>): Problem[] {
  const { properties = {}, ...schema } = schemaOf(definition);
  const { status: _status, ...asked } = properties;
  const withDefaults = defaulted({ ...schema, properties: asked }, withoutStatus(object));
  const problems = [
    ...wrongSpec(definition, (object as { spec?: unknown }).spec),
    ...unknownFields(properties['spec'] ?? {}, object['spec'], ['spec']),
    ...duplicates(properties['spec'] ?? {}, (withDefaults as { spec?: unknown }).spec, ['spec']),
  ];
  const isFree = (path: Path) => !problems.some((it) => path.every((part, i) => it.path[i] === part));
  return [...problems, ...brokenRules({ ...schema, properties: asked }, withDefaults, [], isFree)];
}

const withoutStatus = ({ status: _status, ...object }: Record<string, unknown>) => object;

function wrongSpec({ spec }: KindDefinition, value: unknown): Problem[] {
  if (value === undefined && spec.safeParse({}).success) return [];
  return (spec.safeParse(value).error?.issues ?? []).map(({ path, message }) => ({
    path: ['spec', ...path.map((part) => (typeof part === 'number' ? part : String(part)))],
    message,
  }));
}

function unknownFields(schema: Schema, value: unknown, path: Path): Problem[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item: unknown, i) => unknownFields(items, item, [...path, i])) : [];
  }
  const { properties, additionalProperties } = schema;
  if (!properties && typeof additionalProperties !== 'object') return [];
  if (schema['x-kubernetes-preserve-unknown-fields'] === true) return [];
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const below = properties?.[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
    const at = [...path, name];
    return below ? unknownFields(below, inner, at) : [{ path: at, message: `unknown field ${at.join('.')}` }];
  });
}

/** What is below a value, with its schema. */
function below(schema: Schema, value: unknown): { key: string | number; schema: Schema; value: unknown }[] {
  const { items, properties, additionalProperties } = schema;
  if (Array.isArray(value)) return items ? value.map((inner: unknown, key) => ({ key, schema: items, value: inner })) : []; // prettier-ignore
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const found = properties?.[key] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
    return found ? [{ key, schema: found, value: inner }] : [];
  });
}

/** The value with the defaults of its schema, and its whole numbers as CEL has them. */
function defaulted(schema: Schema, value: unknown): unknown {
  const isWhole = schema.type === 'integer' || schema['x-kubernetes-int-or-string'] === true;
  if (typeof value === 'number') return isWhole && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map((it: unknown) => (schema.items ? defaulted(schema.items, it) : it));
  if (typeof value !== 'object' || value === null) return value;
  const absent = Object.entries(schema.properties ?? {}).flatMap(([name, it]) =>
    it.default !== undefined && (value as Record<string, unknown>)[name] === undefined ? [[name, it.default]] : [],
  );
  const whole = { ...value, ...(Object.fromEntries(absent) as object) };
  const changed = below(schema, whole).map((it) => [it.key, defaulted(it.schema, it.value)] as const);
  return { ...whole, ...Object.fromEntries(changed) };
}

/** Entries of a list that the API server tells apart by keys. */
function duplicates(schema: Schema, value: unknown, path: Path): Problem[] {
  const inner = below(schema, value).flatMap((it) => duplicates(it.schema, it.value, [...path, it.key]));
  const keys = schema['x-kubernetes-list-map-keys'];
  const isSet = schema['x-kubernetes-list-type'] === 'set';
  if (!Array.isArray(value) || (!keys && !isSet)) return inner;
  const names = value.map((item: unknown) => nameOf(item, keys));
  const twice = names.flatMap((name, i) =>
    names.indexOf(name) < i ? [{ path: [...path, i], message: `it is there twice: ${name}` }] : [],
  );
  return [...inner, ...twice];
}

const nameOf = (item: unknown, keys: readonly string[] | undefined): string =>
  keys === undefined || typeof item !== 'object' || item === null
    ? String(item)
    : keys.map((key) => String((item as Record<string, unknown>)[key])).join(' ');

function brokenRules(schema: Schema, value: unknown, path: Path, isFree: (path: Path) => boolean): Problem[] {
  if (value === undefined || value === null) return [];
  const inner = below(schema, value).flatMap((it) => brokenRules(it.schema, it.value, [...path, it.key], isFree));
  const rules = (schema['x-kubernetes-validations'] ?? []).filter((rule) => !isTransition(rule));
  if (rules.length === 0 || !isFree(path)) return inner;
  const broken = rules.filter((rule) => !keeps(rule, value));
  return [
    ...inner,
    ...broken.map(({ message, fieldPath = '' }) => ({ path: [...path, ...fieldPath.split('.').slice(1)], message })),
  ];
}
