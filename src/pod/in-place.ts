import type { HostedContainer } from '../api/hostedcontainer.ts';
import { tagOf } from '../api/mounts.ts';
import { annotations, labels, mainContainer } from '../api/names.ts';
import type { PatchRecord } from '../api/patched.ts';
import type { Container, Pod } from '../api/kubernetes/objects.ts';
import { hash } from './fingerprint.ts';

/** A Pod with direct mounts gets another image in place: what of it is patched, and what must stay. Pure. */

/** What depends on the image, and nothing else of the Pod. */
const patchedAnnotations = [
  annotations.image,
  annotations.digest,
  annotations.fingerprint,
  annotations.podHash,
  annotations.mounts,
] as const;

/**
 * Hash of all of a Pod that a patch leaves as it is. The affinity counts as its owner asked for it: that the node must have the image
 * matters for the scheduler alone, and the operator looks at the node before a patch.
 */
export function fixedHash(container: HostedContainer, { metadata, spec }: Pod): string {
  const { [labels.image]: _image, ...otherLabels } = metadata.labels ?? {};
  const ours: readonly string[] = patchedAnnotations;
  const otherAnnotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => !ours.includes(key));
  return hash({
    labels: otherLabels,
    annotations: Object.fromEntries(otherAnnotations),
    spec: {
      ...spec,
      affinity: container.spec.podTemplate?.affinity,
      containers: spec.containers.map(({ image: _of, ...rest }) => rest),
    },
  });
}

const mainOf = ({ spec }: Pod): Container | undefined => spec.containers.find(({ name }) => name === mainContainer);

/**
 * Only another image makes the kubelet restart the container. It is known by the tag, which names the tree: a webhook may have written
 * another registry into the Pod, and would do so again.
 */
export const hasSameTree = (a: Pod, b: Pod): boolean => tagOf(mainOf(a)?.image ?? '') === tagOf(mainOf(b)?.image ?? '');

/** One Pod made into another in place. */
export interface PodPatch {
  /** The Pod as it was seen; the patch depends on it. */
  from: Pod;
  /** The Pod that would be made instead. */
  to: Pod;
  record: PatchRecord;
}

/** Annotations and labels as the patch makes them, but for the list of mounts of before. */
const changedMetadata = ({ to, record }: PodPatch) => ({
  labels: { [labels.image]: to.metadata.labels?.[labels.image] ?? '' },
  annotations: {
    ...Object.fromEntries(patchedAnnotations.map((key) => [key, to.metadata.annotations?.[key] ?? ''])),
    [annotations.patched]: JSON.stringify(record),
  },
});

/** The list of mounts of the container that runs until it is restarted; the cache of the operator has none. */
const listBefore = ({ metadata }: Pod): Record<string, string> => {
  const list = metadata.annotations?.[annotations.mounts];
  return list === undefined ? {} : { [annotations.mountsBefore]: list };
};

/** The Pod as it is in the API server once it has taken the patch. */
export function patchedPod(patch: PodPatch): Pod {
  const { from, to, record } = patch;
  const { labels: newLabels, annotations: newAnnotations } = changedMetadata(patch);
  const image = mainOf(to)?.image ?? '';
  return {
    ...from,
    metadata: {
      ...from.metadata,
      labels: { ...from.metadata.labels, ...newLabels },
      annotations: { ...from.metadata.annotations, ...listBefore(from), ...newAnnotations },
      ...(record.generation !== undefined && { generation: record.generation }),
    },
    spec: {
      ...from.spec,
      containers: from.spec.containers.map((it) => (it.name === mainContainer ? { ...it, image } : it)),
    },
  };
}

type Operation =
  { op: 'test' | 'add' | 'replace'; path: string; value: unknown } | { op: 'copy'; from: string; path: string };

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * The patch as operations of RFC 6902. It is refused when the Pod is another one by now, or, `asSeen`, is not as it was seen: then the
 * container that is written down might not be the one that ran.
 */
export function patchOperations(patch: PodPatch, { asSeen }: { asSeen: boolean }): Operation[] {
  const { from, to } = patch;
  const changed = changedMetadata(patch);
  const index = from.spec.containers.findIndex(({ name }) => name === mainContainer);
  const at = (kind: 'labels' | 'annotations', key: string) => `/metadata/${kind}/${escaped(key)}`;
  const add = (kind: 'labels' | 'annotations') =>
    Object.entries(changed[kind]).map(([key, value]) => ({ op: 'add' as const, path: at(kind, key), value }));
  return [
    { op: 'test', path: '/metadata/uid', value: from.metadata.uid },
    ...(asSeen
      ? [{ op: 'test' as const, path: '/metadata/resourceVersion', value: from.metadata.resourceVersion }]
      : []),
    { op: 'test', path: `/spec/containers/${index}/name`, value: mainContainer },
    { op: 'copy', from: at('annotations', annotations.mounts), path: at('annotations', annotations.mountsBefore) },
    ...add('labels'),
    ...add('annotations'),
    { op: 'replace', path: `/spec/containers/${index}/image`, value: mainOf(to)?.image },
  ];
}
