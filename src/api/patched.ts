import { z } from 'zod';
import type { ContainerStatus, Pod } from './kubernetes/objects.ts';
import { annotations, mainContainer } from './names.ts';

/**
 * A Pod that was patched in place (direct mounts): its container gets another image when the kubelet restarts it, a moment later. What
 * the Pod's status says until then is about the container before. No clock tells the two apart, and neither does the name of the image,
 * which the container runtime may report by another tag. So the patch writes down which container ran.
 */
const patchRecord = z.strictObject({
  /** The container that the status told of, as the API server had it when it took the patch. */
  containerID: z.string().min(1),
  /** `restartCount` of the first container after the patch. */
  restarts: z.int().min(0),
  /** `metadata.generation` of the Pod with the patch; unset where the API server counts none. */
  generation: z.int().optional(),
});
export type PatchRecord = z.output<typeof patchRecord>;

/** As far as is looked at. */
interface Patchable {
  metadata: { annotations?: Readonly<Record<string, string>> | undefined };
  status?: Pod['status'] | undefined;
}

/** What the patch of this Pod wrote down; undefined for a Pod that was never patched in place. */
export function patchOf({ metadata }: Pick<Patchable, 'metadata'>): PatchRecord | undefined {
  const text = metadata.annotations?.[annotations.patched];
  if (text === undefined) return undefined;
  try {
    return patchRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The Pod was patched and its container not restarted since, or that cannot be known. */
export function isRestarting(pod: Patchable): boolean {
  const patch = patchOf(pod);
  if (!patch) return false;
  const { observedGeneration, containerStatuses } = pod.status ?? {};
  const id = containerStatuses?.find(({ name }) => name === mainContainer)?.containerID ?? '';
  const isEarlier =
    patch.generation !== undefined && observedGeneration !== undefined && observedGeneration < patch.generation;
  return isEarlier || id === '' || id === patch.containerID;
}

/**
 * The Pod with what its status says of the container since the patch, and nothing of the one before: restarts are counted from the
 * patch. Until the container is restarted only what keeps it from that is left, such as an image that cannot be pulled. Once is as good
 * as twice.
 */
export function sincePatch(pod: Pod): Pod {
  const patch = patchOf(pod);
  const { status } = pod;
  if (!patch || !status) return pod;
  const since = isRestarting(pod) ? waitingOnly : (it: ContainerStatus) => [ofPatched(it, patch)];
  const containerStatuses = (status.containerStatuses ?? []).flatMap((it) =>
    it.name === mainContainer ? since(it) : [it],
  );
  const { [annotations.patched]: _patch, ...marks } = pod.metadata.annotations ?? {};
  return { ...pod, metadata: { ...pod.metadata, annotations: marks }, status: { ...status, containerStatuses } };
}

function waitingOnly({ lastState: _last, state, ...rest }: ContainerStatus): ContainerStatus[] {
  return state?.waiting ? [{ ...rest, restartCount: 0, state: { waiting: state.waiting } }] : [];
}

function ofPatched({ lastState, restartCount: all, ...rest }: ContainerStatus, patch: PatchRecord): ContainerStatus {
  const restartCount = Math.max(0, all - patch.restarts);
  // In the pause before its first restart, which the kubelet makes when it remembers crashes of that image, the last end is its own.
  const isOwnEnd = rest.state?.waiting !== undefined && lastState?.terminated?.containerID !== patch.containerID;
  return { ...rest, restartCount, ...(lastState && (restartCount > 0 || isOwnEnd) && { lastState }) };
}
