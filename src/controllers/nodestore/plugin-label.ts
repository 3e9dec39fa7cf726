import { labels, mountModes } from '../../api/names.ts';
import type { NodeStore } from '../../api/nodestore.ts';
import type { Pod } from '../../api/kubernetes/objects.ts';
import { contradictsPlugin, hadNoMounts } from '../hostedcontainer/outcome.ts';

/**
 * Only where the node plugin answers can a container have direct mounts. What the agent reports stays as it is while the agent is away,
 * so a container that was made without its mounts since then says more. It does so until the next report: a container that tries again
 * runs for a moment, with its mounts or without.
 */
export function pluginLabel({ status }: Pick<NodeStore, 'status'> = {}, pods: readonly Pod[]): Record<string, string> {
  const { directMounts, directMountsTime } = status ?? {};
  if (!directMounts) return {};
  return pods.some((pod) => tellsOfPlugin(pod) && contradictsPlugin(pod, directMountsTime))
    ? {}
    : { [labels.directMounts]: 'true' };
}

/** The Pod had a container without its mounts: whether the node has its label may depend on it. */
export const tellsOfPlugin = (pod: Pod): boolean =>
  pod.metadata.labels?.[labels.mounts] === mountModes.direct && hadNoMounts(pod);
