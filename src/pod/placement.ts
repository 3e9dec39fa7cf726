import type { HostedContainer } from '../api/hostedcontainer.ts';
import { labels, runningLabelPrefix } from '../api/names.ts';
import { imageLabel, imageName } from '../api/images.ts';
import { isDirect } from './mode.ts';
import { storedImages } from './usable-image.ts';
import type { UsableImage } from './usable-image.ts';
import { matchesNodeSelector, toleratesTaints } from '../api/kubernetes/selectors.ts';
import type { Affinity, Node, NodeSelector, Pod } from '../api/kubernetes/objects.ts';

const askedNodeAffinity = (container: HostedContainer): NonNullable<Affinity['nodeAffinity']> =>
  (container.spec.podTemplate?.affinity as Affinity | undefined)?.nodeAffinity ?? {};

/**
 * The affinity of the user with the image made a requirement: the scheduler can then choose only a node that completely has
 * the image. Terms are alternatives, so each of them must ask for it. With a `nonce`, which must be another one for each Pod,
 * there is one more alternative, which no node meets when the Pod is scheduled: see {@link runningRequirement}.
 */
export function affinityFor(container: HostedContainer, image: UsableImage, nonce?: string): Affinity {
  const hasImages = [
    ...storedImages(image).map(imageLabel),
    ...(isDirect(container) ? [{ key: labels.directMounts, value: 'true' }] : []),
  ].map(({ key, value }) => ({ key, operator: 'In' as const, values: [value] }));
  const nodeAffinity = askedNodeAffinity(container);
  const { uid } = container.metadata;
  const terms = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}];
  return {
    ...container.spec.podTemplate?.affinity,
    nodeAffinity: {
      ...nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          ...terms.map((term) => ({
            ...term,
            matchExpressions: [...(term.matchExpressions ?? []), ...hasImages],
          })),
          ...(nonce === undefined || uid === undefined
            ? []
            : [{ matchExpressions: [{ key: runningLabelPrefix + uid, operator: 'In' as const, values: [nonce] }] }]),
        ],
      },
    },
  };
}

/**
 * What a Pod requires of its node, and the label that meets it by itself; undefined for a Pod that has no such alternative, as
 * an earlier version of the operator made them.
 */
export function runningRequirement({
  metadata,
  spec,
}: Pod): { affinity: NodeSelector; key: string; value: string } | undefined {
  // Pods of Jobs are in the same cache, and have none.
  const affinity = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'HostedContainer');
  if (!affinity || !owner) return undefined;
  const key = runningLabelPrefix + owner.uid;
  const own = affinity.nodeSelectorTerms.find(({ matchExpressions }) => matchExpressions?.[0]?.key === key);
  const value = own?.matchExpressions?.[0]?.values?.[0];
  return value === undefined ? undefined : { affinity, key, value };
}

export interface Placement {
  /** Nodes that could run the container, image or not. */
  candidates: string[];
  /** Those of them that have all of the image and all stored software. */
  withImage: string[];
  /** `<os>:<version>` of each stored image that some candidate lacks, with the candidates that do. */
  missing: { image: string; nodes: string[] }[];
}

/**
 * Where the container could run now, as far as its own constraints, its data and taints say. The scheduler decides; this
 * answers whether it is worth asking it, before anything that runs is touched.
 */
export function placementOf(
  container: HostedContainer,
  image: UsableImage,
  nodes: readonly Node[],
  dataAffinity: NodeSelector | undefined,
): Placement {
  const template = container.spec.podTemplate;
  const images = storedImages(image);
  const asked = Object.entries(template?.nodeSelector ?? {});
  const candidates = nodes.filter(
    (node) =>
      !node.spec?.unschedulable &&
      node.metadata.labels?.['kubernetes.io/arch'] === image.architecture &&
      asked.every(([key, value]) => node.metadata.labels?.[key] === value) &&
      matchesNodeSelector(node, askedNodeAffinity(container).requiredDuringSchedulingIgnoredDuringExecution) &&
      matchesNodeSelector(node, dataAffinity) &&
      toleratesTaints(node, template?.tolerations) &&
      (!isDirect(container) || node.metadata.labels[labels.directMounts] === 'true'),
  );
  return {
    candidates: namesOf(candidates),
    withImage: namesOf(candidates.filter((node) => images.every((stored) => nodeHasImage(node, stored)))),
    missing: images
      .map((stored) => ({
        image: imageName(stored),
        nodes: namesOf(candidates.filter((node) => !nodeHasImage(node, stored))),
      }))
      .filter(({ nodes: without }) => without.length > 0),
  };
}

const namesOf = (nodes: readonly Node[]): string[] => nodes.map((node) => node.metadata.name);

/** Does the node have all of these bytes of the image? Only the label with the right digest says so. */
export function nodeHasImage(node: Node, image: { os: string; version: string; digest: string }): boolean {
  const { key, value } = imageLabel(image);
  return node.metadata.labels?.[key] === value;
}
