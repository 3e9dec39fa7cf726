import type { Node } from '../pod/types.ts';
import { sameStatus } from '../runtime/status.ts';

/** Did anything change by which images and containers are placed? A heartbeat does not. */
export function placementChanged(old: Node, current: Node): boolean {
  const seen = (node: Node) => [
    node.metadata.labels,
    node.metadata.deletionTimestamp,
    node.spec?.taints,
    node.spec?.unschedulable,
  ];
  return !sameStatus(seen(old), seen(current));
}
