import type { OwnerReference } from '../api/kubernetes/objects.ts';
import type * as k8s from '@kubernetes/client-node';
import type { KubeObject, ObjectMeta } from '../runtime/object.ts';

/**
 * A type of the generated client as it is in JSON: times are strings, and names that are reserved words in JavaScript have
 * no underscore in front.
 */
export type Raw<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Raw<Item>[]
    : T extends object
      ? { [Key in keyof T as Key extends `_${infer Name}` ? Name : Key]: Raw<T[Key]> }
      : T;

/** `metadata` of an object of a built-in kind. `name` is always there: this client sends no generateName. */
export interface Metadata extends ObjectMeta {
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  deletionGracePeriodSeconds?: number;
}

/** An object of a built-in kind as the API server sends it. */
export type Core<T> = Omit<Raw<T>, keyof KubeObject> & { apiVersion: string; kind: string; metadata: Metadata };

/** Kinds that no plan looks at; those that one does are in `src/api/kubernetes/objects.ts`. */
export type Event = Core<k8s.EventsV1Event>;
export type Lease = Core<k8s.V1Lease>;
export type Namespace = Core<k8s.V1Namespace>;
export type Secret = Core<k8s.V1Secret>;

/** Every field may be left out, at any depth: what one field manager applies is only what it owns. */
export type DeepPartial<T> = T extends readonly (infer Item)[]
  ? DeepPartial<Item>[]
  : T extends object
    ? { [Key in keyof T]?: DeepPartial<T[Key]> | undefined }
    : T;

/**
 * What server-side apply takes: the fields that the caller owns. Group, version and kind are filled in by the client. With a
 * uid or a resourceVersion it is a Conflict when the object is another one or has changed, and nothing is created. A uid is not
 * looked at in a write of the status of a custom resource.
 */
export type Applied<T extends KubeObject> = Omit<DeepPartial<T>, keyof KubeObject> & {
  metadata: Omit<Metadata, 'generation' | 'creationTimestamp' | 'deletionTimestamp'>;
};
