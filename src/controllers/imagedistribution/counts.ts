import type { ImageDistributionStatus } from '../../api/imagedistribution.ts';
import type { NodeStore, StoredImage } from '../../api/nodestore.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { failureOf, nodeState, selectedNodes, storedImage } from '../node-images.ts';
import type { NodeState } from '../node-images.ts';
import type { Observed } from './observed.ts';

export const progressMilliseconds = 10_000;

/** The nodes that should have the image, by what became of it there. */
export type Counted = NonNullable<ImageDistributionStatus['nodes']> & {
  unreachable: number;
  failedNodes: NonNullable<ImageDistributionStatus['failedNodes']>;
  /** One that is counted as unreachable. */
  unreachableNode: string | undefined;
  downloads: StoredImage[];
};

export function countNodes(o: Observed): Counted {
  const { distribution, image, nodes, stores, now } = o;
  const selected = image ? selectedNodes(distribution, image, nodes) : [];
  const seen = selected.flatMap((node) => {
    if (!image) return [];
    const store = stores.get(node.metadata.name);
    const state = nodeState(node, store, image, now.getTime());
    const stored = storedImage(store, image);
    // It must still answer what it is asked for now.
    return [
      { name: node.metadata.name, stored, state: state === 'Ready' && !isUpToDate(o, store) ? 'Fetching' : state },
    ];
  });
  const those = (state: NodeState) => seen.filter((it) => it.state === state);
  return {
    desired: seen.length,
    ready: those('Ready').length,
    active: those('Fetching').length,
    failed: those('Failed').length,
    unreachable: those('Unreachable').length,
    failedNodes: those('Failed').flatMap(({ name }) =>
      image ? { node: name, ...failureOf(stores.get(name), image) } : [],
    ),
    unreachableNode: those('Unreachable')[0]?.name,
    downloads: those('Fetching').flatMap(({ stored }) => (stored?.state === 'Fetching' ? stored : [])),
  };
}

/**
 * Whether what an agent says is about what it is asked for now. Once all have answered, a change of something else that it is asked for
 * makes no node one that lacks the image.
 */
function isUpToDate({ distribution: { metadata, spec, status } }: Observed, store: NodeStore | undefined): boolean {
  const before = findCondition(status?.conditions, 'Distributed');
  const settled = before?.status === 'True' && before.observedGeneration === metadata.generation;
  if (settled && status?.image === spec.image) return true;
  return (store?.status?.observedGeneration ?? 0) >= (store?.metadata.generation ?? 0);
}

/** Bytes of all nodes that are downloading, kept for ten seconds: each node tells of itself every five. */
export function progressOf(
  { distribution, now }: Observed,
  { downloads }: Counted,
): ImageDistributionStatus['progress'] {
  if (downloads.length === 0) return undefined;
  const before = distribution.status?.progress;
  // A time that is still to come is of another clock.
  const age = before ? now.getTime() - Date.parse(before.time) : -1;
  if (age >= 0 && age < progressMilliseconds) return before;
  const sum = (of: (image: StoredImage) => number) => downloads.reduce((total, image) => total + of(image), 0);
  const downloadedBytes = sum((image) => image.downloadedBytes ?? 0);
  const totalBytes = downloads.every((image) => image.totalBytes !== undefined)
    ? sum((image) => image.totalBytes ?? 0)
    : undefined;
  if (before?.downloadedBytes === downloadedBytes && before.totalBytes === totalBytes) return before;
  return { downloadedBytes, ...(totalBytes !== undefined && { totalBytes }), time: now.toISOString() };
}
