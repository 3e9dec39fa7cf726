import type { HostedContainer } from '../api/hostedcontainer.ts';
import type { Writable } from '../api/kubernetes/podfields.ts';
import type { UsableImage } from './usable-image.ts';
import { notPermitted } from './permitted.ts';
import type { AllowedCapabilities } from './permitted.ts';
import { effectiveCommand } from './pod.ts';
import { parseQuantity } from '../api/kubernetes/quantity.ts';
import { effectiveWritable, imageWritable } from './volumes.ts';
import { firstHit } from '../runtime/rules.ts';

type Rule = (container: HostedContainer, image: UsableImage, allowed: AllowedCapabilities) => string | undefined;

const isPermitted: Rule = (container, _image, allowed) => notPermitted(container, allowed);

const hasCommand: Rule = (container, image) =>
  container.spec.services || effectiveCommand(container, image).length > 0
    ? undefined
    : `spec.command is empty and ${image.os}:${image.version} has no default command: set spec.command`;

/** Overlays count against the memory limit: a limit below them lets the kernel kill the container for using its /tmp. */
export function memoryProblem(
  container: HostedContainer,
  image: Pick<UsableImage, 'writable' | 'layout'>,
): string | undefined {
  const limit = container.spec.resources?.limits?.memory;
  const bytes = limit === undefined ? undefined : parseQuantity(limit);
  if (bytes === undefined) return undefined;
  const writable = imageWritable(image, container.spec.writable);
  const sum = writable.reduce((total, w) => total + (parseQuantity(w.size) ?? 0), 0);
  return bytes > sum
    ? undefined
    : `spec.resources.limits.memory is ${limit ?? ''}, but the memory overlays may take ${Math.ceil(sum / 2 ** 20)}Mi (${writable
        .map((w) => `${w.path} ${w.size}`)
        .join(', ')}): raise the limit or lower spec.writable`;
}

/** `launch` would find out too, but only after the Pod that runs now is gone. */
const defaultsFitOverlays: Rule = (container, image) => overlayTooSmall(image, effectiveWritable(container, image));

/** Which overlay cannot hold what the image has there; undefined when all can. */
export function overlayTooSmall(
  image: Pick<UsableImage, 'os' | 'version' | 'layout'>,
  writable: readonly Writable[],
): string | undefined {
  for (const { path, size } of writable) {
    const needed = image.layout.overlayBytes?.[path.slice(1)];
    const limit = parseQuantity(size);
    // What lies in an overlay of its own below this one does not count here; only `launch` knows how much that is.
    if (needed === undefined || limit === undefined || writable.some((w) => w.path.startsWith(`${path}/`))) continue;
    if (needed > limit) {
      const advice =
        needed <= largestOverlay
          ? `set a larger size for ${path} in spec.writable`
          : `an overlay has 200Mi at most: keep large files of ${path} out of the image, in /data or in a directory that is no overlay (/usr, /opt), or give a directory in ${path} an overlay of its own`;
      return `The defaults of ${path} in ${image.os}:${image.version} take ${mebibytes(needed)}, and its overlay has ${size}: ${advice}`;
    }
  }
  return undefined;
}

/** What `spec.writable` takes. */
const largestOverlay = 200 * 2 ** 20;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)}Mi`;

const rules: readonly Rule[] = [isPermitted, hasCommand, memoryProblem, defaultsFitOverlays];

/** What only the operator can see to be wrong, because it needs the image; undefined when the container is fine. */
export function invalidity(
  container: HostedContainer,
  image: UsableImage,
  allowed: AllowedCapabilities = [],
): string | undefined {
  return firstHit(rules, container, image, allowed);
}
