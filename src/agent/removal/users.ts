import { normalize } from 'node:path';
import { mountPlan } from '../../api/mounts.ts';
import { annotations } from '../../api/names.ts';
import { isRestarting } from '../../api/patched.ts';
import type { PodStatus } from '../../api/kubernetes/objects.ts';
import { keyOf } from '../../runtime/object.ts';
import { entryPath } from '../store/paths.ts';
import type { ImageName } from '../../api/images.ts';
import type { StorePaths } from '../store/paths.ts';

/** A Pod as far as its use of the store goes. */
export interface StoreUser {
  metadata: {
    name: string;
    namespace?: string | undefined;
    annotations?: Readonly<Record<string, string>> | undefined;
  };
  status?: PodStatus | undefined;
  spec?: { volumes?: readonly { hostPath?: { path: string } | undefined }[] | undefined } | undefined;
}

/**
 * `<namespace>/<name>` of the Pods that mount anything of an image, themselves or by the node plugin. A Pod counts until its object is gone, in whatever phase
 * it is: the kubelet may still be about to start it, or to stop it.
 */
export function usersOf(image: ImageName, paths: StorePaths, pods: readonly StoreUser[]): string[] {
  const entry = entryPath(paths, image);
  const uses = (path: string) => `${normalize(path)}/`.startsWith(`${entry}/`);
  return pods
    .filter((pod) => pod.spec?.volumes?.some(({ hostPath }) => hostPath && uses(hostPath.path)) || isGiven(image, pod))
    .map((pod) => keyOf(pod.metadata));
}

/** Does the node plugin mount the image for it? Until a Pod that was patched is restarted it uses what it had before, too. */
function isGiven(image: ImageName, pod: StoreUser): boolean {
  const { [annotations.mounts]: now, [annotations.mountsBefore]: before } = pod.metadata.annotations ?? {};
  return isListed(image, now) || (isListed(image, before) && isRestarting(pod));
}

/** A list that cannot be read may have anything. */
function isListed(image: ImageName, list: string | undefined): boolean {
  if (list === undefined) return false;
  try {
    const { software, ...tree } = mountPlan.parse(JSON.parse(list));
    return [tree, ...software].some(({ os, version }) => os === image.os && version === image.version);
  } catch {
    return true;
  }
}
