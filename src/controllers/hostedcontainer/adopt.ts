import type { HostedContainerStatus } from '../../api/hostedcontainer.ts';
import { annotations } from '../../api/names.ts';
import type { Observed } from './observed.ts';
import { isReady, mainStatus } from './outcome.ts';
import { matchesTarget, chooseTarget } from './target.ts';

/**
 * A container that was restored without its status while its Pod runs: the Pod says what it was. So one that names no version stays
 * on the version that it runs, one that fell back stays there, and an upgrade that is asked for has something to go back to.
 * A Pod that is what is asked for is judged as any first one, because nothing tells how long it has been Ready.
 */
export function adopt(o: Observed): Observed {
  const { container, pod } = o;
  if (!isBlank(container.status) || !pod || pod.metadata.deletionTimestamp !== undefined) return o;
  const { [annotations.image]: image, [annotations.digest]: digest } = pod.metadata.annotations ?? {};
  if (image === undefined || digest === undefined || mainStatus(pod)?.state === undefined) return o;
  const running = withStatus(o, { ...container.status, image, digest });
  if (!isReady(pod) || matchesTarget(pod, chooseTarget(running))) return running;
  return withStatus(o, {
    ...running.container.status,
    lastKnownGoodImage: image,
    lastKnownGoodDigest: digest,
    lastKnownGoodNode: pod.spec.nodeName,
  });
}

/** Nothing is known of what it ran: what a run writes with its first Pod is not there. */
const isBlank = (status: HostedContainerStatus = {}): boolean =>
  status.image === undefined &&
  status.lastKnownGoodImage === undefined &&
  status.attempt === undefined &&
  (status.history ?? []).length === 0;

const withStatus = (o: Observed, status: HostedContainerStatus): Observed => ({
  ...o,
  container: { ...o.container, status },
});
