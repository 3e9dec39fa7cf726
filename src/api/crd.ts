import { z } from 'zod';
import { group, version } from './names.ts';
import type { KindDefinition } from './meta.ts';

type Json = Record<string, unknown>;

/** Keywords of a structural schema that the generator knows to be kept by the API server. */
const kept = new Set([
  'type', 'format', 'description', 'default', 'enum', 'pattern', 'minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems',
  'items', 'properties', 'required', 'additionalProperties', 'nullable', 'minProperties', 'maxProperties', 'uniqueItems',
]); // prettier-ignore
const ignored = new Set(['$schema', 'example', 'examples']);

/**
 * The structural schema of one zod schema. Throws, naming the path, on everything that a CustomResourceDefinition cannot
 * express or that would be lost silently (facts: refine, regex flags, checks on record keys, unions, recursion).
 */
export function structuralSchema(schema: z.ZodType, path = '$'): Json {
  const json = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'throw',
    override: ({ zodSchema, path: at }) => refuseLoss(zodSchema, [path, ...at].join('.')),
  }) as Json;
  // Only recursion makes any; it is refused where it refers to them.
  delete json.definitions;
  return clean(json, path);
}

function refuseLoss(schema: z.core.$ZodTypes, path: string): void {
  const { def } = schema._zod;
  for (const { _zod } of checksOf(schema)) {
    if (_zod.def.check === 'custom') throw new Error(`${path}: refine() would be lost; write a CEL rule`);
    if (_zod.def.pattern?.flags) throw new Error(`${path}: regex flags would be lost: ${String(_zod.def.pattern)}`);
    if (_zod.def.pattern && /\(\?[=!<]/.test(_zod.def.pattern.source))
      throw new Error(`${path}: RE2 has no lookaround`);
  }
  if (def.type === 'pipe' || def.type === 'transform') throw new Error(`${path}: the API server transforms nothing`);
  if (def.type === 'record') {
    const key = def.keyType as z.core.$ZodTypes;
    const isAnyString = key._zod.def.type === 'string' && checksOf(key).length === 0 && !('format' in key._zod.def);
    if (!isAnyString) throw new Error(`${path}: checks on record keys would be lost; write a CEL rule`);
  }
}

/** As far as they are looked at here. */
const checksOf = (schema: z.core.$ZodTypes): { _zod: { def: { check: string; pattern?: RegExp } } }[] =>
  schema._zod.def.checks ?? [];

function clean(node: Json, path: string): Json {
  const out: Json = {};
  for (const [key, value] of Object.entries(node)) {
    if (ignored.has(key)) continue;
    if (!kept.has(key) && !key.startsWith('x-kubernetes-')) throw new Error(`${path}: "${key}" is not structural`);
    out[key] = value;
  }
  if (node.type === 'integer') markInteger(out);
  // The pattern of an ISO time is long and refuses what the API server itself writes; the format says it all.
  if (node.format === 'date-time') delete out.pattern;
  if (node.additionalProperties === false) throw new Error(`${path}: a closed object is not structural`);
  cleanChildren(node, out, path);
  if (!out.type && !out['x-kubernetes-int-or-string']) throw new Error(`${path}: no type`);
  return out;
}

/** zod marks integers by the bounds of a double; Kubernetes wants a format instead. */
function markInteger(out: Json): void {
  if (out.maximum === Number.MAX_SAFE_INTEGER) delete out.maximum;
  if (out.minimum === Number.MIN_SAFE_INTEGER) delete out.minimum;
  out.format = typeof out.maximum === 'number' && out.maximum <= 2 ** 31 - 1 ? 'int32' : 'int64';
}

function cleanChildren(node: Json, out: Json, path: string): void {
  if (isObject(node.properties)) {
    out.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, child]) => [name, clean(child as Json, `${path}.${name}`)]),
    );
  }
  if (isObject(node.items)) out.items = clean(node.items, `${path}[]`);
  if (isObject(node.additionalProperties)) out.additionalProperties = clean(node.additionalProperties, `${path}.*`);
}

const isObject = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);

/** A prune by Helm, Argo CD or Flux must not delete the definitions: every object of ours would go with them. */
const keep = {
  'helm.sh/resource-policy': 'keep',
  'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/** The CustomResourceDefinition of a kind, ready to be written as YAML. */
export function customResourceDefinition(def: KindDefinition): Json {
  const schema: Json = {
    type: 'object',
    description: def.description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: `Version of the schema of this object: ${group}/${version}.` },
      kind: { type: 'string', description: `Kind of this object: ${def.kind}.` },
      // The API server refuses any word about it, and describes it itself.
      metadata: { type: 'object' },
      spec: { description: 'Desired state.', ...structuralSchema(def.spec, 'spec') },
      status: { description: 'Observed state; written by Monoroot alone.', ...structuralSchema(def.status, 'status') },
    },
  };
  // Nothing is required in it: then an empty one is as good as none. Without the default, a writer that gives up its last
  // field of spec by server-side apply would be refused, because the whole member goes with it.
  const specSchema = (schema.properties as Record<string, Json>).spec;
  if (specSchema && def.spec.safeParse({}).success) specSchema.default = {};
  if (def.rules.length > 0) schema['x-kubernetes-validations'] = def.rules;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${def.plural}.${group}`, annotations: keep },
    spec: {
      group,
      scope: def.scope,
      names: {
        kind: def.kind,
        listKind: `${def.kind}List`,
        plural: def.plural,
        singular: def.singular,
        shortNames: def.shortNames,
        categories: ['monoroot'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: {
            status: {},
            ...(def.scale && {
              scale: {
                specReplicasPath: def.scale.replicas,
                statusReplicasPath: def.scale.status,
                labelSelectorPath: def.scale.selector,
              },
            }),
          },
          additionalPrinterColumns: def.columns,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  };
}
