import type { HostedContainer } from '../../api/hostedcontainer.ts';
import { annotations, apiVersion } from '../../api/names.ts';
import type { NewObject } from '../../kube/client.ts';

export interface Rehearsal {
  /** `<os>:<version>` to try. */
  image: string;
  /** Run it on this node; any that has the image when undefined. */
  node: string | undefined;
  /** Its /data, where the container has one: empty, or a clone. */
  data: object;
  /** Makes the name another one than that of any rehearsal before. */
  suffix: string;
}

/** Names of Pods are names of hosts. */
const longestName = 63;

/**
 * A container as `container`, on another version, for a while: the operator makes its Pod and judges it, by the rules of a real upgrade.
 * It has no label by which a Service, a budget or a rollout would find it, and a /data of its own. It goes
 * when the container that it rehearses goes.
 */
export function rehearsalOf(container: HostedContainer, rehearsal: Rehearsal): NewObject<HostedContainer> {
  const { metadata, spec } = container;
  const { image, node, suffix } = rehearsal;
  const { data, podTemplate, ...rest } = spec;
  const end = `-rehearsal-${suffix}`;
  return {
    metadata: {
      name: `${metadata.name.slice(0, longestName - end.length).replace(/[.-]+$/, '')}${end}`,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      annotations: { [annotations.rehearsal]: metadata.name },
      ownerReferences: [{ apiVersion, kind: 'HostedContainer', name: metadata.name, uid: metadata.uid ?? '' }],
    },
    spec: {
      ...rest,
      image,
      // Another version would be no rehearsal.
      imagePolicy: 'Strict',
      suspend: false,
      replicas: 1,
      upgrade: { ...spec.upgrade, retryToken: '' },
      ...(data && { data: rehearsal.data }),
      podTemplate: templateOf(podTemplate, node),
    },
  } as NewObject<HostedContainer>;
}

function templateOf(template: HostedContainer['spec']['podTemplate'], node: string | undefined): object {
  const { metadata, nodeSelector, ...rest } = template ?? {};
  const selector = { ...nodeSelector, ...(node !== undefined && { 'kubernetes.io/hostname': node }) };
  return {
    ...rest,
    ...(metadata?.annotations && { metadata: { annotations: metadata.annotations } }),
    ...(Object.keys(selector).length > 0 && { nodeSelector: selector }),
  };
}
