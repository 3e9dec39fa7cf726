import { z } from 'zod';

/** Marks a schema with CEL rules; `message` names the field and the rule, because the user reads it at `kubectl apply`. */
export interface CelRule {
  rule: string;
  message: string;
  fieldPath?: string;
  reason?: 'FieldValueRequired' | 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueDuplicate';
}
export const cel = (...rules: CelRule[]) => ({ 'x-kubernetes-validations': rules });
/** A list whose items are told apart by these keys, so that server-side apply merges it item by item. */
export const listMap = (...keys: string[]) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });
export const atomicList = { 'x-kubernetes-list-type': 'atomic' };

export const osName = z
  .string()
  .max(30)
  .regex(/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/);
export const osVersion = z
  .string()
  .max(30)
  .regex(/^[a-z0-9]([a-z0-9.-]{0,28}[a-z0-9])?$/);
/** `<os>:<version>`: one fixed version. */
export const fixedImage = z
  .string()
  .max(61)
  .regex(/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?:[a-z0-9]([a-z0-9.-]{0,28}[a-z0-9])?$/);
const [osPattern, versionPattern] = ['[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?', '[a-z0-9]([a-z0-9.-]{0,28}[a-z0-9])?'];
const notThese = 'not the name of the OSImage (debian-12.v1) and no OCI reference';
/** A fixed version as a person writes it: told in words what it must look like, not by a pattern. */
export const askedImage = z
  .string()
  .max(61)
  .meta(
    cel({
      rule: `self.matches('^${osPattern}:${versionPattern}$')`,
      message: `it is <os>:<version> such as debian-12:v1, ${notThese}`,
    }),
  );
/** `<os>:<version>`, or `<os>` alone for the default version of that operating system; told in words as well. */
export const imageReference = z
  .string()
  .max(61)
  .meta(
    cel({
      rule: `self.matches('^${osPattern}(:${versionPattern})?$')`,
      message: `spec.image is <os>:<version> such as debian-12:v1, or <os> for the default version, ${notThese}`,
    }),
  );
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
export const time = z.iso.datetime();
/** A Kubernetes quantity. Matching 5Mi is for CEL: a pattern only keeps out what can be no quantity at all. */
export const quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P|m)?$/);
const secretName = z.string().min(1).max(253);
export const secretReference = z
  .object({ name: secretName.describe('Name of a Secret in the namespace of the operator.') })
  .describe('A Secret in the namespace of the operator.');
/** A Secret that agents read to fetch an image, or, for the base of a build, one that the kubelet mounts into the Job. */
export const sourceSecretReference = z
  .object({
    name: secretName.describe(
      'Name of a Secret in the namespace monoroot-sources; for the base of a build, in that of the operator.',
    ),
  })
  .describe('A Secret in the namespace monoroot-sources; for the base of a build, in that of the operator.');
/** A Secret that agents read, whatever the source. */
export const agentSecretReference = z
  .object({ name: secretName.describe('Name of a Secret in the namespace monoroot-sources.') })
  .describe('A Secret in the namespace monoroot-sources.');

export const condition = z
  .object({
    type: z.string().max(316).describe('Type of the condition.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('True, False, or Unknown.'),
    observedGeneration: z.int().min(0).optional().describe('metadata.generation that the condition is about.'),
    lastTransitionTime: time.describe('When status changed last.'),
    reason: z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
      .describe('Reason for the status, in one word for programs.'),
    message: z.string().max(32768).describe('Why, for people: what happened, to what, and what to do next.'),
  })
  .describe('One aspect of the state of this object.');
export const conditions = z
  .array(condition)
  .optional()
  .meta({ ...listMap('type'), description: 'The state of this object, one entry an aspect. Ready sums it up.' });
export const observedGeneration = z
  .int()
  .min(0)
  .optional()
  .describe('metadata.generation of the spec that this status is about.');
export type Condition = z.output<typeof condition>;

/** What every object read from the API server has. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** One kind of ours as the API server stores it. */
export interface KindObject<Spec, Status> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
}

/** The pieces from which a CustomResourceDefinition is made. */
export interface KindDefinition {
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  scope: 'Cluster' | 'Namespaced';
  /** JSON paths of the scale subresource; by it PodDisruptionBudgets know how many Pods there should be. */
  scale?: { replicas: string; status: string; selector: string };
  description: string;
  spec: z.ZodType;
  status: z.ZodType;
  /** CEL rules over the whole object, where metadata.name must agree with the spec. */
  rules: CelRule[];
  columns: {
    name: string;
    type: 'string' | 'integer' | 'date';
    jsonPath: string;
    description: string;
    priority?: number;
  }[];
}
