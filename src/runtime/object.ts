/** What the runtime needs to know about any object of the API: who it is and which revision of it this is. */
export interface ObjectMeta {
  name: string;
  namespace?: string | undefined;
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  generation?: number | undefined;
  creationTimestamp?: string | undefined;
  deletionTimestamp?: string | undefined;
  labels?: Record<string, string> | undefined;
  annotations?: Record<string, string> | undefined;
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Names one object of a kind; `namespace` is absent or '' for what lives in no namespace. */
export interface ObjectName {
  namespace?: string | undefined;
  name: string;
}

/** `<namespace>/<name>`, or `<name>` alone for what lives in no namespace. */
export function keyOf(name: ObjectName): string {
  return name.namespace ? `${name.namespace}/${name.name}` : name.name;
}

/** The inverse of {@link keyOf}; `namespace` is '' when the key has none. */
export function parseKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
