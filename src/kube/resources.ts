import type { KubeObject } from '../runtime/object.ts';
import type { ConfigMap, Job, Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../api/kubernetes/objects.ts';
import type { Event, Lease, Namespace, Secret } from './types.ts';

/** One kind of the API and how its objects look. */
export interface Resource<T extends KubeObject> {
  /** '' is the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never there: it only carries the type. */
  readonly object?: T;
}

export function defineResource<T extends KubeObject>(resource: Omit<Resource<T>, 'object'>): Resource<T> {
  return resource;
}

const core = { group: '', version: 'v1' };
export const configMaps = defineResource<ConfigMap>({
  ...core,
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
});
export const namespaces = defineResource<Namespace>({
  ...core,
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
});
export const nodes = defineResource<Node>({ ...core, plural: 'nodes', kind: 'Node', namespaced: false });
export const persistentVolumes = defineResource<PersistentVolume>({
  ...core,
  plural: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
});
export const persistentVolumeClaims = defineResource<PersistentVolumeClaim>({
  ...core,
  plural: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
  namespaced: true,
});
export const pods = defineResource<Pod>({ ...core, plural: 'pods', kind: 'Pod', namespaced: true });
export const jobs = defineResource<Job>({
  group: 'batch',
  version: 'v1',
  plural: 'jobs',
  kind: 'Job',
  namespaced: true,
});
export const secrets = defineResource<Secret>({ ...core, plural: 'secrets', kind: 'Secret', namespaced: true });
export const events = defineResource<Event>({
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  namespaced: true,
});
export const leases = defineResource<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
});

export function apiVersionOf(resource: Pick<Resource<KubeObject>, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The URL path of a collection, or with `name` of one object, or with `subresource` of a part of it. */
export function pathOf(
  resource: Resource<KubeObject>,
  at: { namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined },
): string {
  const parts = resource.group === '' ? ['api', resource.version] : ['apis', resource.group, resource.version];
  if (resource.namespaced && at.namespace) parts.push('namespaces', at.namespace);
  parts.push(resource.plural);
  if (at.name !== undefined) {
    if (resource.namespaced && !at.namespace) throw new Error(`${resource.kind} ${at.name} needs a namespace`);
    if (at.name === '') throw new Error(`A ${resource.kind} needs a name`);
    parts.push(at.name);
  }
  if (at.subresource !== undefined) parts.push(at.subresource);
  return `/${parts.map(encodeURIComponent).join('/')}`;
}
