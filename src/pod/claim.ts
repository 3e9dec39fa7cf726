import type { HostedContainer } from '../api/hostedcontainer.ts';
import { apiVersion, labels } from '../api/names.ts';
import type { ObjectMeta } from '../api/meta.ts';
import type { OwnerReference } from './types.ts';

/** A PersistentVolumeClaim as far as we make it. */
export interface Claim {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & { ownerReferences?: OwnerReference[] };
  spec?: Record<string, unknown>;
}

/** The claim whose volume is /data: one that exists, or the one that is made from the template. */
export function claimNameOf({ metadata, spec }: HostedContainer): string | undefined {
  return spec.data?.claimTemplate ? `${metadata.name}-data` : spec.data?.claimName;
}

/** The claim that the template asks for; undefined when there is no template. */
export function claimFromTemplate(container: HostedContainer): Claim | undefined {
  const { metadata, spec } = container;
  const name = claimNameOf(container);
  if (!spec.data?.claimTemplate || name === undefined) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      ...(metadata.namespace && { namespace: metadata.namespace }),
      labels: { [labels.hostedContainer]: metadata.name, [labels.managedBy]: 'monoroot' },
      ownerReferences: ownersOfClaim(container),
    },
    spec: spec.data.claimTemplate,
  };
}

/** With `whenDeleted: Delete` Kubernetes removes the claim together with its owner; without an owner it stays. */
export function ownersOfClaim({ metadata, spec }: HostedContainer): OwnerReference[] {
  return spec.data?.whenDeleted === 'Delete'
    ? [{ apiVersion, kind: 'HostedContainer', name: metadata.name, uid: metadata.uid ?? '' }]
    : [];
}
