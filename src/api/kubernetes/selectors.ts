import type { LabelSelector, Toleration } from './podfields.ts';
import type { Node, NodeSelector, NodeSelectorRequirement } from './objects.ts';

/**
 * A label selector of a spec. An absent one selects everything. An empty one selects nothing: the API server refuses it, so
 * it is what an earlier version stored, often a map of labels that was pruned to nothing.
 */
export function matchesSelector(
  labels: Record<string, string> | undefined,
  selector: LabelSelector | undefined,
): boolean {
  if (!selector) return true;
  if (isEmptySelector(selector)) return false;
  const expressions = selector.matchExpressions ?? [];
  return matchesLabels(labels, selector.matchLabels) && expressions.every((r) => matchesRequirement(labels ?? {}, r));
}

/** It is there and says nothing. */
export const isEmptySelector = (selector: LabelSelector | undefined): boolean =>
  selector !== undefined &&
  Object.keys(selector.matchLabels ?? {}).length === 0 &&
  (selector.matchExpressions ?? []).length === 0;

/** Has it all these labels? */
export const matchesLabels = (
  labels: Record<string, string> | undefined,
  wanted: Record<string, string> | undefined,
): boolean => Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value);

function matchesRequirement(
  labels: Record<string, string>,
  r: { key: string; operator: string; values?: string[] | undefined },
) {
  const value = labels[r.key];
  const values = r.values ?? [];
  const isListed = value !== undefined && values.includes(value);
  switch (r.operator) {
    case 'In':
      return isListed;
    case 'NotIn':
      // Without values it is what pruning has left: it must not select everything.
      return values.length > 0 && !isListed;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** Node selector of Kubernetes (of an affinity or of a volume): one term must hold, and in it everything. */
export function matchesNodeSelector(node: Node, selector: NodeSelector | undefined): boolean {
  if (!selector) return true;
  const fields: Record<string, string> = { 'metadata.name': node.metadata.name };
  const holds = (source: Record<string, string>, rs: NodeSelectorRequirement[] | undefined) =>
    (rs ?? []).every((r) => matchesRequirement(source, r));
  return selector.nodeSelectorTerms.some(
    (term) => holds(node.metadata.labels ?? {}, term.matchExpressions) && holds(fields, term.matchFields),
  );
}

/** Taints that keep new Pods away must all be tolerated. */
export function toleratesTaints(node: Node, tolerations: readonly Toleration[] | undefined): boolean {
  const hard = (node.spec?.taints ?? []).filter((taint) => taint.effect !== 'PreferNoSchedule');
  return hard.every((taint) =>
    (tolerations ?? []).some(
      (t) =>
        (t.effect === undefined || t.effect === taint.effect) &&
        (t.key === undefined ? t.operator === 'Exists' : t.key === taint.key) &&
        (t.operator === 'Exists' || (t.value ?? '') === (taint.value ?? '')),
    ),
  );
}

/**
 * A machine with a kernel and a disk of its own: no Windows, and no virtual kubelet, which stands for something else (containers of a
 * cloud, another cluster), takes no DaemonSets and mounts no hostPath. Tolerations that tolerate everything do not select it either.
 */
export function isRealLinux({ metadata: { labels = {} }, spec }: Node): boolean {
  return (
    (labels['kubernetes.io/os'] ?? 'linux') === 'linux' &&
    labels['type'] !== 'virtual-kubelet' &&
    labels['eks.amazonaws.com/compute-type'] !== 'fargate' &&
    !(spec?.taints ?? []).some(({ key }) => key.startsWith('virtual-kubelet.io/'))
  );
}
