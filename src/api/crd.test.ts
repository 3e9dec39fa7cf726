import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { customResourceDefinition, structuralSchema } from './crd.ts';
import { kinds } from './kinds.ts';
import { atomicList, cel, listMap } from './meta.ts';
import { intOrString, podPiece } from './kubernetes/podfields.ts';

const inner = (schema: z.ZodType) => z.object({ list: z.array(z.object({ field: schema })) });
type Nested = { [key: string]: unknown };

/** Every schema node of a kind with its path. */
function* nodes(schema: Nested, path: string): Generator<[string, Nested]> {
  yield [path, schema];
  for (const [name, child] of Object.entries(schema['properties'] ?? {}))
    yield* nodes(child as Nested, `${path}.${name}`);
  for (const [key, sign] of [
    ['items', '[]'],
    ['additionalProperties', '.*'],
  ] as const) {
    if (typeof schema[key] === 'object') yield* nodes(schema[key] as Nested, path + sign);
  }
}

describe('the generator refuses, naming the path, what a CustomResourceDefinition would lose:', () => {
  interface Node {
    children: Node[];
  }
  const recursive: z.ZodType<Node> = z.lazy(() => z.object({ children: z.array(recursive) }));

  test.each<[string, z.ZodType, RegExp]>([
    ['refine()', z.string().refine((s) => s !== 'x'), /refine\(\) would be lost; write a CEL rule/],
    ['superRefine()', z.string().superRefine(() => undefined), /refine\(\) would be lost/],
    ['flags of a regex', z.string().regex(/^a$/i), /regex flags would be lost: \/\^a\$\/i/],
    ['look-ahead', z.string().regex(/^(?=a)/), /RE2 has no lookaround/],
    ['negative look-ahead', z.string().regex(/^(?!a)/), /RE2 has no lookaround/],
    ['look-behind', z.string().regex(/(?<=a)b/), /RE2 has no lookaround/],
    ['checks on the keys of a record', z.record(z.string().max(3), z.string()), /checks on record keys would be lost/],
    ['a closed set of keys', z.record(z.enum(['a', 'b']), z.string()), /checks on record keys would be lost/],
    ['a union', z.union([z.string(), z.number()]), /"anyOf" is not structural/],
    ['a discriminated union', z.discriminatedUnion('t', [z.object({ t: z.literal('a') })]), /not structural/],
    ['two patterns', z.string().regex(/^a/).regex(/b$/), /"allOf" is not structural/],
    ['a closed object', z.strictObject({ a: z.string() }), /a closed object is not structural/],
    ['recursion', recursive, /"\$ref" is not structural/],
    [
      'a keyword that the API server would prune',
      z.string().meta({ contentEncoding: 'base64' }),
      /"contentEncoding" is not structural/,
    ],
    ['a transformation', z.string().transform((s) => s.length), /transforms nothing/],
    ['a schema without a type', z.any(), /no type/],
  ])('%s', (_name, schema, message) => {
    expect(() => structuralSchema(schema, 'spec')).toThrow(message);
    expect(() => structuralSchema(inner(schema), 'spec')).toThrow(message);
    expect(() => structuralSchema(inner(schema), 'spec')).toThrow(/^spec\..*(field|def)/i);
  });

  test.each<[string, z.ZodType]>([
    ['a Date', z.date()],
    ['a bigint', z.bigint()],
  ])('%s, which JSON has not', (_name, schema) => {
    expect(() => structuralSchema(z.object({ field: schema }), 'spec')).toThrow();
  });
});

describe('the generator writes', () => {
  test.each<[string, z.ZodType, object]>([
    [
      'an integer with a format that fits its bounds',
      z.int().min(0).max(100),
      { type: 'integer', format: 'int32', minimum: 0, maximum: 100 },
    ],
    [
      'the greatest int32 as int32',
      z.int().max(2 ** 31 - 1),
      { type: 'integer', format: 'int32', maximum: 2 ** 31 - 1 },
    ],
    [
      'an integer that may be greater as int64',
      z.int().max(2 ** 31),
      { type: 'integer', format: 'int64', maximum: 2 ** 31 },
    ],
    [
      'an integer without bounds as int64, and without those of a double',
      z.int(),
      { type: 'integer', format: 'int64' },
    ],
    [
      'a time as a format, without the pattern that refuses what the API server writes',
      z.iso.datetime(),
      { type: 'string', format: 'date-time' },
    ],
    ['a number or string in the way of Kubernetes', intOrString, { 'x-kubernetes-int-or-string': true }],
    ['a piece that is handed on', podPiece, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }],
    [
      'a map of strings',
      z.record(z.string(), z.string()),
      { type: 'object', additionalProperties: { type: 'string' } },
    ],
    [
      'a list with its type',
      z.array(z.string()).max(3).meta(atomicList),
      { type: 'array', items: { type: 'string' }, maxItems: 3, ...atomicList },
    ],
    [
      'a default, whose field is not required',
      z.object({ a: z.int().default(3) }),
      { type: 'object', properties: { a: { type: 'integer', format: 'int64', default: 3 } } },
    ],
    [
      'what is required',
      z.object({ a: z.string(), b: z.string().optional() }),
      { type: 'object', required: ['a'], properties: { a: { type: 'string' }, b: { type: 'string' } } },
    ],
    [
      'a CEL rule',
      z.string().meta(cel({ rule: 'true', message: 'm' })),
      { type: 'string', 'x-kubernetes-validations': [{ rule: 'true', message: 'm' }] },
    ],
  ])('%s', (_name, schema, json) => {
    expect(structuralSchema(schema)).toEqual(json);
  });

  test('a list-map with its keys', () => {
    const list = z.array(z.object({ os: z.string(), version: z.string() })).meta(listMap('os', 'version'));
    expect(structuralSchema(list)).toMatchObject({
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['os', 'version'],
    });
  });
});

test('the committed files in crds/ are what the sources say', () => {
  const generate = join(import.meta.dirname, '../../hack/generate.ts');
  expect(execFileSync(process.execPath, [generate, '--check'], { encoding: 'utf8' })).toContain('up to date');
});

describe.each(kinds)('$kind', (kind) => {
  const definition = customResourceDefinition(kind) as {
    metadata: { name: string };
    spec: { versions: { schema: { openAPIV3Schema: Nested }; subresources: object }[] };
  };
  const [version] = definition.spec.versions;
  const schema = version?.schema.openAPIV3Schema ?? {};
  const all = [...nodes(schema, '$')];

  test('has a status subresource, a description, and needs a spec', () => {
    const scale = {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    };
    expect(version?.subresources).toEqual({ status: {}, ...(kind.kind === 'HostedContainer' && { scale }) });
    expect(schema).toMatchObject({ type: 'object', required: ['spec'] });
    expect(schema['description']).toBe(kind.description);
  });

  test('has conditions as a list-map by type and an observedGeneration', () => {
    const at = (path: string) => all.find(([p]) => p === path)?.[1];
    expect(at('$.status.conditions')).toMatchObject({
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    });
    expect(at('$.status.observedGeneration')).toMatchObject({ type: 'integer' });
  });

  test('gives every integer a format and no time a pattern', () => {
    expect(all.filter(([, node]) => node['type'] === 'integer' && node['format'] === undefined)).toEqual([]);
    expect(all.filter(([, node]) => node['format'] === 'date-time' && node['pattern'] !== undefined)).toEqual([]);
  });

  test('says for every list how it is merged', () => {
    const untyped = all.filter(([, node]) => node['type'] === 'array' && node['x-kubernetes-list-type'] === undefined);
    expect(untyped.map(([path]) => path)).toEqual([]);
  });

  test('bounds every list of spec, so that its rules have a bounded cost', () => {
    const unbounded = all.filter(
      ([path, node]) => path.startsWith('$.spec') && node['type'] === 'array' && node['maxItems'] === undefined,
    );
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  test('describes every field, for kubectl explain', () => {
    const silent = all.flatMap(([path, node]) =>
      Object.entries((node['properties'] ?? {}) as Record<string, Nested>)
        .filter(([, child]) => typeof child['description'] !== 'string')
        .map(([name]) => `${path}.${name}`),
    );
    // The API server refuses a description of it, and has its own.
    expect(silent).toEqual(['$.metadata']);
  });
});
