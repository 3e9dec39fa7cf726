import { imageLabelPrefix, labels as names, runningLabelPrefix } from '../../api/names.ts';
import { runningRequirement } from '../../pod/placement.ts';
import { matchesNodeSelector } from '../../api/kubernetes/selectors.ts';
import type { Node, Pod } from '../../api/kubernetes/objects.ts';

type Labels = Record<string, string>;

const having = (node: Node, isIt: (key: string) => boolean): Labels =>
  Object.fromEntries(Object.entries(node.metadata.labels ?? {}).filter(([key]) => isIt(key)));

const isOurs = (key: string) =>
  key.startsWith(imageLabelPrefix) || key.startsWith(runningLabelPrefix) || key === names.directMounts;

/** The labels of the node that are the operator's to set. */
export const currentLabels = (node: Node): Labels => having(node, isOurs);

/** The image labels that the node has now. */
export const currentImageLabels = (node: Node): Labels => having(node, (key) => key.startsWith(imageLabelPrefix));

/**
 * Labels for the Pods on the node that require one which it will not have: a kubelet that starts again ends each Pod whose
 * required affinity does not hold for its node any more. Each is for one Pod alone, so it brings no other Pod to the node.
 */
export function runningLabels(node: Node, imageLabels: Labels, pods: readonly Pod[]): Labels {
  const labels = { ...having(node, (key) => !isOurs(key)), ...imageLabels };
  const then: Node = { ...node, metadata: { ...node.metadata, labels } };
  const needed = pods.flatMap((pod) => {
    const required = runningRequirement(pod);
    return required && !hasEnded(pod) && !matchesNodeSelector(then, required.affinity)
      ? [[required.key, required.value] as const]
      : [];
  });
  return Object.fromEntries(needed);
}

const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** Whether the node has, or should have, a label for this Pod. */
export function concernsLabels(pod: Pod, node: Node | undefined): boolean {
  const required = runningRequirement(pod);
  if (!required || !node) return false;
  return node.metadata.labels?.[required.key] !== undefined || !matchesNodeSelector(node, required.affinity);
}
