import { labels, mountModes } from '../../api/names.ts';
import type { UsableImage } from '../../pod/usable-image.ts';
import { problemOfDirect } from '../../pod/direct.ts';
import { withMounts } from '../../pod/mode.ts';
import type { MountMode } from '../../pod/mode.ts';
import { placementOf } from '../../pod/placement.ts';
import type { Observed } from './observed.ts';
import { chooseTarget } from './target.ts';
import { isFirstStart } from './first-start.ts';

/**
 * With the mounts that the container has. Where its spec says nothing, they are chosen for its first Pod, again and again until there is
 * one, and stay: another default, or a node that loses its plugin, restarts no one.
 */
export function withChosenMounts(o: Observed): Observed {
  const { spec, status } = o.container;
  if (spec.mounts !== undefined) return withMode(o, spec.mounts);
  if (!isFirstStart(o)) return withMode(o, status?.mounts ?? modeOfPod(o) ?? 'HostPath');
  if (o.defaultMounts !== 'Direct') return withMode(o, 'HostPath');
  const { image } = chooseTarget(withMode(o, 'Direct'));
  const whyHostPath = image && whyNotHere(o, image);
  return { ...withMode(o, whyHostPath === undefined ? 'Direct' : 'HostPath'), whyHostPath };
}

/** The Pod of an earlier run whose status was not written. */
function modeOfPod({ pod }: Observed): MountMode | undefined {
  if (!pod) return undefined;
  return pod.metadata.labels?.[labels.mounts] === mountModes.direct ? 'Direct' : 'HostPath';
}

/** Only what differs from the usual is written down. */
function withMode(o: Observed, mode: MountMode): Observed {
  const { mounts: _before, ...status } = o.container.status ?? {};
  return { ...o, container: { ...o.container, status: { ...status, ...(mode === 'Direct' && { mounts: mode }) } } };
}

function whyNotHere(o: Observed, image: UsableImage): string | undefined {
  const direct = withMounts(o.container, 'Direct');
  const why = problemOfDirect(direct, image, o.scaffolds[image.layout.kind]);
  if (why !== undefined) return why;
  const placement = (mode: MountMode) => placementOf(withMounts(o.container, mode), image, o.nodes, o.data?.affinity);
  const { candidates, withImage } = placement('Direct');
  if (candidates.length === 0) return 'no node that could run it has a node plugin that answers';
  return withImage.length > 0 || placement('HostPath').withImage.length === 0
    ? undefined
    : 'no node with its image has a node plugin that answers';
}
