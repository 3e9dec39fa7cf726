import type { ContainerState, ContainerStatus, Pod } from '../api/kubernetes/objects.ts';
import { labels, mountModes } from '../api/names.ts';
import { containerName } from '../pod/pod.ts';

export const mainStatus = (pod: Pod | undefined): ContainerStatus | undefined =>
  pod?.status?.containerStatuses?.find((c) => c.name === containerName);

/** How the container ended last. */
export const lastExit = (pod: Pod | undefined): ContainerState['terminated'] =>
  mainStatus(pod)?.state?.terminated ?? mainStatus(pod)?.lastState?.terminated;

/** Of `launch` when it gives up. */
export const launchExitCode = 125;

/** What `launch` and an interruption call it, which is no reason of a condition of an OSImage. */
export const noMountsReason = 'NoMounts';

/** Its last run ended because the node plugin was not there: the image is not to blame. Only a Pod with direct mounts can say so. */
export const hadNoMounts = (pod: Pod | undefined): boolean => {
  const { exitCode, message = '' } = lastExit(pod) ?? {};
  const isDirect = pod?.metadata.labels?.[labels.mounts] === mountModes.direct;
  return isDirect && exitCode === launchExitCode && message.startsWith(`monoroot: ${noMountsReason}: `);
};
