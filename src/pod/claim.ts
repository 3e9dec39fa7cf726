import type { HostedContainer } from '../api/hostedcontainer.ts';
import { labels } from '../api/names.ts';
import type { PersistentVolumeClaim } from '../api/kubernetes/objects.ts';

/** How the claim that is made from a template is called. */
export const templateClaimName = ({ metadata }: Pick<HostedContainer, 'metadata'>): string => `${metadata.name}-data`;

/** The claim whose volume is /data: one that exists, or the one that is made from the template. */
export function claimNameOf(container: HostedContainer): string | undefined {
  const { data } = container.spec;
  return data?.claimTemplate ? templateClaimName(container) : data?.claimName;
}

/** The claim that the template asks for; undefined when there is no template. No owner: only the operator deletes it. */
export function claimFromTemplate(container: HostedContainer): PersistentVolumeClaim | undefined {
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
    },
    spec: spec.data.claimTemplate,
  };
}
